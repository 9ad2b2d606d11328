//! Whether the server answers, asked over a connection of its own: requests that use up the pool do not make a replica
//! look as if its store were away.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio_postgres::Client;

use super::{Postgres, timeouts::within};
use crate::failure::StoreError;

/// How long the server may take to say that it is there. A new connection has 5 s more.
const LIMIT: Duration = Duration::from_secs(2);

/// The connection that is used for nothing else, where there is one.
pub(super) type Probe = Mutex<Option<Client>>;

/// Asks the server whether it answers.
pub(super) async fn ping(store: &Postgres) -> Result<(), StoreError> {
    let mut kept = store.probe.lock().await;
    // Taken out while it is used: a caller that stops waiting leaves nobody an answer that is not theirs.
    let client = match kept.take().filter(|client| !client.is_closed()) {
        Some(client) => client,
        None => store.connect().await?,
    };
    within(LIMIT, client.batch_execute("select 1")).await?;
    *kept = Some(client);
    Ok(())
}
