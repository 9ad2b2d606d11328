//! Runs migrations, each once even if several replicas start at the same time.
//!
//! A schema change cannot share a transaction with a data change. So a second connection holds a lock while the
//! statements of a migration run, each in its own transaction. The commit that releases the lock also records the
//! migration. An interrupted migration runs again from its beginning, so every statement must be idempotent (`IF NOT
//! EXISTS`, `MERGE`).
//!
//! The other replicas wait for the lock as long as one holds it. Its transaction ends with its connection, and at the
//! server's time limit (`db.transaction.timeout`), which a long migration needs to be raised.

use std::time::Duration;

use futures::future::BoxFuture;
use neo4rs::{Config, Graph, Txn, query};
use serde::Deserialize;
use tokio::time::Instant;
use uuid::Uuid;

use super::error::store_error;
use crate::failure::{StoreError, StoreErrorKind};

/// The migrations of the skeleton's own nodes, in order.
const OWN: &[(&str, &str)] = &[
    ("V1__messaging", include_str!("V1__messaging.cypher")),
    ("V2__order", include_str!("V2__order.cypher")),
    ("V3__decisions", include_str!("V3__decisions.cypher")),
    ("V4__delays", include_str!("V4__delays.cypher")),
    ("V5__sagas", include_str!("V5__sagas.cypher")),
    ("V6__schedules", include_str!("V6__schedules.cypher")),
    ("V8__history", include_str!("V8__history.cypher")),
    ("V9__relay", include_str!("V9__relay.cypher")),
    ("V10__expiry", include_str!("V10__expiry.cypher")),
    ("V11__postponed_messages", include_str!("V11__postponed_messages.cypher")),
];

/// How long a migration that conflicts with other transactions is retried.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Without this constraint, there could be two locks.
const ONE_LOCK: &str = "CREATE CONSTRAINT lock_name IF NOT EXISTS FOR (lock:Lock) REQUIRE lock.name IS UNIQUE";

const LOCK: &str = "MERGE (lock:Lock {name: 'migrations'}) SET lock.is_taken = true
    WITH lock OPTIONAL MATCH (done:Migration {name: $name}) RETURN done.checksum AS checksum";

const NOTE: &str = "CREATE (:Migration {name: $name, checksum: $checksum, applied_at: datetime()})";

/// The name under which the first migration of every store is noted.
pub(super) fn first() -> String {
    name_of("skeleton", OWN[0].0)
}

fn name_of(owner: &str, migration: &str) -> String {
    format!("{owner} {migration}")
}

/// Runs the pending migrations of the skeleton and the service.
pub(super) async fn migrate(config: &Config, service: &[(&str, &str)]) -> Result<(), StoreError> {
    retried(|| Box::pin(make_lock(config))).await?;
    for (owner, migrations) in [("skeleton", OWN), ("service", service)] {
        for (name, text) in migrations {
            let name = name_of(owner, name);
            let checksum = retried(|| Box::pin(apply(config, &name, text))).await?;
            if checksum != checksum_of(text) {
                let text = format!("migration {name} has changed since it ran: revert it and add a new one");
                return Err(StoreError::broken(text));
            }
        }
    }
    Ok(())
}

async fn make_lock(config: &Config) -> Result<Option<()>, StoreError> {
    let graph = Graph::connect(config.clone()).map_err(store_error)?;
    graph.run(query(ONE_LOCK)).await.map(Some).map_err(store_error)
}

/// Runs one migration, unless it has run before. Returns the checksum of the migration that ran, or `None` if another
/// replica holds the lock.
async fn apply(config: &Config, name: &str, text: &str) -> Result<Option<String>, StoreError> {
    let mut lock = Graph::connect(config.clone()).map_err(store_error)?.start_txn().await.map_err(store_error)?;
    let before = match checksum_before(&mut lock, name).await.map_err(store_error) {
        Err(error) if error.kind == StoreErrorKind::Conflict => return Ok(None),
        before => before?,
    };
    if before.checksum.is_some() {
        lock.rollback().await.map_err(store_error)?;
        return Ok(before.checksum);
    }
    let worker = Graph::connect(config.clone()).map_err(store_error)?;
    for statement in statements(text) {
        worker.run(query(statement)).await.map_err(store_error)?;
    }
    let note = query(NOTE).param("name", name).param("checksum", checksum_of(text));
    lock.run(note).await.map_err(store_error)?;
    lock.commit().await.map_err(store_error)?;
    Ok(Some(checksum_of(text)))
}

/// Takes the lock, until the end of the transaction.
async fn checksum_before(lock: &mut Txn, name: &str) -> Result<Before, neo4rs::Error> {
    lock.execute(query(LOCK).param("name", name)).await?.single_as(lock.handle()).await
}

#[derive(Deserialize)]
struct Before {
    checksum: Option<String>,
}

/// Retries as long as another replica holds the lock, and for a limited time if there is another conflict.
async fn retried<'a, T>(attempt: impl Fn() -> BoxFuture<'a, Result<Option<T>, StoreError>>) -> Result<T, StoreError> {
    let mut deadline = Instant::now() + TIMEOUT;
    loop {
        match attempt().await {
            Ok(Some(done)) => return Ok(done),
            Ok(None) => deadline = Instant::now() + TIMEOUT,
            Err(error) if error.kind != StoreErrorKind::Conflict || Instant::now() >= deadline => return Err(error),
            Err(_) => {}
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The statements of a migration: each ends with a semicolon at the end of a line.
fn statements(text: &str) -> impl Iterator<Item = &str> {
    text.split(";\n").map(|statement| statement.trim().trim_end_matches(';')).filter(|statement| !is_empty(statement))
}

fn is_empty(statement: &str) -> bool {
    statement.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with("//"))
}

fn checksum_of(text: &str) -> String {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, text.as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_end_with_a_semicolon_at_the_end_of_a_line() {
        let text = "// About people.\nCREATE CONSTRAINT a;\n\nMERGE (x {note: 'a; b'});\n// The end.\n";

        let found: Vec<&str> = statements(text).collect();

        assert_eq!(found, ["// About people.\nCREATE CONSTRAINT a", "MERGE (x {note: 'a; b'})"]);
    }
}
