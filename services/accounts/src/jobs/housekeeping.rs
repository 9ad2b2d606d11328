//! Housekeeping: removes what nobody can use any more.

use std::{sync::Arc, time::Duration};

use skeleton::{App, Housekeeping, Postgres, StoreError};
use tracing::info;

use crate::{domain::Throttle, resources::Tokens, store};

const HOUR: Duration = Duration::from_secs(3600);

/// The tasks.
pub fn housekeeping() -> Housekeeping<Postgres> {
    Housekeeping::new().every(HOUR, "clean-up", clean_up)
}

/// Removes old sessions, tokens, failed sign-ins and receipts.
async fn clean_up(app: App<Postgres>) -> Result<(), StoreError> {
    let (tokens, throttle): (Arc<Tokens>, Arc<Throttle>) = (app.resource(), app.resource());
    let now = app.service.surroundings.now();
    let rows = store::clean_up(&app.store, now, now - tokens.rules().lifetime, now - throttle.window()).await?;
    info!(rows, "removed old sessions, tokens, failed sign-ins and receipts");
    Ok(())
}
