//! Checks whether the server responds, over a separate connection: if requests use up the pool, the store does not
//! appear to be unavailable.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio_postgres::Client;

use super::{Postgres, timeouts::within};
use crate::failure::StoreError;

/// The time limit of the server's response. A new connection has 5 s more.
const LIMIT: Duration = Duration::from_secs(2);

/// The connection used only for this check, if it is open.
pub(super) type Probe = Mutex<Option<Client>>;

/// Checks whether the server responds.
pub(super) async fn ping(store: &Postgres) -> Result<(), StoreError> {
    let mut kept = store.probe.lock().await;
    // Taken out while in use: if the caller stops waiting, the next one does not get the previous caller's response.
    let client = match kept.take().filter(|client| !client.is_closed()) {
        Some(client) => client,
        None => store.connect().await?,
    };
    within(LIMIT, client.batch_execute("select 1")).await?;
    *kept = Some(client);
    Ok(())
}
