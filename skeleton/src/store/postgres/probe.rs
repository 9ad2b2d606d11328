//! Checks whether the server responds, over a separate connection: if requests use up the pool, the store does not
//! appear to be unavailable.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use tokio_postgres::{Client, SimpleQueryMessage};

use super::{Postgres, error::unavailable, timeouts::within};
use crate::failure::StoreError;

/// The time limit of a check, with a new connection if necessary. It is shorter than the readiness check waits, so that
/// the reason is shown.
const LIMIT: Duration = Duration::from_secs(4);

/// The connection used only for this check, if it is open, and the check in progress.
#[derive(Default)]
pub(super) struct Probe {
    client: Mutex<Option<Client>>,
    running: Mutex<Option<Check>>,
}

type Check = Shared<BoxFuture<'static, Result<Option<String>, StoreError>>>;

/// The time of the first migration, if one has run and the server responds. Callers at the same time share one check, so
/// that none waits for another's.
pub(super) async fn first_migration(store: &Postgres) -> Result<Option<String>, StoreError> {
    let check = {
        let mut running = store.probe.running.lock().unwrap_or_else(PoisonError::into_inner);
        match running.as_ref().filter(|check| check.peek().is_none()) {
            Some(check) => check.clone(),
            None => running.insert(start(store.clone())).clone(),
        }
    };
    check.await
}

/// Starts a check in a task of its own: it goes on if its caller stops waiting, and the next one does not get the answer
/// to an earlier question.
fn start(store: Postgres) -> Check {
    let checking = tokio::spawn(async move {
        let probe = Arc::clone(&store.probe);
        let checked = tokio::time::timeout(LIMIT, check(&store)).await;
        let (client, first) = checked.map_err(|_| unavailable(format!("no answer within {} s", LIMIT.as_secs())))??;
        *probe.client.lock().unwrap_or_else(PoisonError::into_inner) = Some(client);
        Ok(first)
    });
    checking.map(|checked| checked.map_err(unavailable)?).boxed().shared()
}

async fn check(store: &Postgres) -> Result<(Client, Option<String>), StoreError> {
    let kept = store.probe.client.lock().unwrap_or_else(PoisonError::into_inner).take();
    let client = match kept.filter(|client| !client.is_closed()) {
        Some(client) => client,
        None => store.connect().await?,
    };
    let first = first_migration_over(&client).await?;
    Ok((client, first))
}

/// The same over this connection.
pub(super) async fn first_migration_over(client: &Client) -> Result<Option<String>, StoreError> {
    // Where the table does not exist, a query of it would be an error.
    let exists = "select 1 where to_regclass('skeleton.skeleton_migrations') is not null";
    if first_value(&within(LIMIT, client.simple_query(exists)).await?).is_none() {
        return Ok(None);
    }
    let first = "select applied_on from skeleton.skeleton_migrations order by version limit 1";
    Ok(first_value(&within(LIMIT, client.simple_query(first)).await?))
}

fn first_value(answer: &[SimpleQueryMessage]) -> Option<String> {
    let row = answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    row?.get(0).map(str::to_owned)
}
