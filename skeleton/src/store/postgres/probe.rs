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

type Check = Shared<BoxFuture<'static, Result<bool, StoreError>>>;

/// Whether a migration has run, if the server responds. Callers at the same time share one check, so that none waits for
/// another's.
pub(super) async fn is_migrated(store: &Postgres) -> Result<bool, StoreError> {
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
        let (client, is_migrated) =
            checked.map_err(|_| unavailable(format!("no answer within {} s", LIMIT.as_secs())))??;
        *probe.client.lock().unwrap_or_else(PoisonError::into_inner) = Some(client);
        Ok(is_migrated)
    });
    checking.map(|checked| checked.map_err(unavailable)?).boxed().shared()
}

async fn check(store: &Postgres) -> Result<(Client, bool), StoreError> {
    let kept = store.probe.client.lock().unwrap_or_else(PoisonError::into_inner).take();
    let client = match kept.filter(|client| !client.is_closed()) {
        Some(client) => client,
        None => store.connect().await?,
    };
    let sql = "select 1 where to_regclass('skeleton.skeleton_migrations') is not null";
    let answer = within(LIMIT, client.simple_query(sql)).await?;
    Ok((client, answer.iter().any(|message| matches!(message, SimpleQueryMessage::Row(_)))))
}
