//! Forgets what nobody can use any more, every hour.

use std::{sync::Arc, time::Duration};

use skeleton::{App, Postgres, stop::Stop};
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use crate::{domain::Throttle, store, tokens::Tokens};

const HOUR: Duration = Duration::from_secs(3600);

/// Cleans up until told to stop.
pub async fn run(app: App<Postgres>, stop: Stop) {
    let mut hours = interval(HOUR);
    hours.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.stopped() => return,
            _ = hours.tick() => clean_up(&app).await,
        }
    }
}

async fn clean_up(app: &App<Postgres>) {
    let (tokens, throttle): (Arc<Tokens>, Arc<Throttle>) = (app.resource(), app.resource());
    let now = app.service.surroundings.now();
    match store::clean_up(&app.store, now, now - tokens.rules().lifetime, now - throttle.window()).await {
        Ok(rows) => info!(rows, "old sessions, tokens, failures and receipts are forgotten"),
        Err(error) => warn!(%error, "cleaning up failed: trying again in an hour"),
    }
}
