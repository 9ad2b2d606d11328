//! Runs migrations, each once even if several replicas start at the same time.
//!
//! A schema change cannot share a transaction with a data change. So a second connection holds a lock while the
//! statements of a migration run, each in its own transaction. The commit that releases the lock also records the
//! migration. An interrupted migration runs again from its beginning, so every statement must be idempotent (`IF NOT
//! EXISTS`, `MERGE`).

use std::time::Duration;

use futures::future::BoxFuture;
use neo4rs::{Config, Graph, query};
use serde::Deserialize;
use tokio::time::Instant;
use uuid::Uuid;

use super::error::{store_error, unavailable};
use crate::failure::{StoreError, StoreErrorKind};

/// The migrations of the skeleton's own nodes, in order.
const MESSAGING: &[(&str, &str)] = &[
    ("V1__messaging", include_str!("V1__messaging.cypher")),
    ("V2__order", include_str!("V2__order.cypher")),
    ("V3__decisions", include_str!("V3__decisions.cypher")),
    ("V4__delays", include_str!("V4__delays.cypher")),
    ("V5__sagas", include_str!("V5__sagas.cypher")),
    ("V6__schedules", include_str!("V6__schedules.cypher")),
    ("V8__history", include_str!("V8__history.cypher")),
    ("V9__relay", include_str!("V9__relay.cypher")),
    ("V10__expiry", include_str!("V10__expiry.cypher")),
];

/// How long replicas that start together wait for each other.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Without this constraint, there could be two locks.
const ONE_LOCK: &str = "CREATE CONSTRAINT lock_name IF NOT EXISTS FOR (lock:Lock) REQUIRE lock.name IS UNIQUE";

const LOCK: &str = "MERGE (lock:Lock {name: 'migrations'}) SET lock.is_taken = true
    WITH lock OPTIONAL MATCH (done:Migration {name: $name}) RETURN done.checksum AS checksum";

const NOTE: &str = "CREATE (:Migration {name: $name, checksum: $checksum, applied_at: datetime()})";

/// Runs the pending migrations of the skeleton and the service.
pub(super) async fn migrate(config: &Config, service: &[(&str, &str)]) -> Result<(), StoreError> {
    let deadline = Instant::now() + TIMEOUT;
    again_until(deadline, || Box::pin(async { Graph::connect(config.clone())?.run(query(ONE_LOCK)).await })).await?;
    for (owner, migrations) in [("skeleton", MESSAGING), ("service", service)] {
        for (name, text) in migrations {
            let name = format!("{owner} {name}");
            let checksum = again_until(deadline, || Box::pin(apply(config, &name, text))).await?;
            if checksum != checksum_of(text) {
                let text = format!("migration {name} has changed since it ran: revert it and add a new one");
                return Err(StoreError::broken(text));
            }
        }
    }
    Ok(())
}

/// Runs one migration, unless it has run before. Returns the checksum of the migration that ran.
async fn apply(config: &Config, name: &str, text: &str) -> Result<String, neo4rs::Error> {
    let mut lock = Graph::connect(config.clone())?.start_txn().await?;
    let mut found = lock.execute(query(LOCK).param("name", name)).await?;
    let before: Before = found.single_as(lock.handle()).await?;
    if let Some(checksum) = before.checksum {
        lock.rollback().await?;
        return Ok(checksum);
    }
    let worker = Graph::connect(config.clone())?;
    for statement in statements(text) {
        worker.run(query(statement)).await?;
    }
    lock.run(query(NOTE).param("name", name).param("checksum", checksum_of(text))).await?;
    lock.commit().await?;
    Ok(checksum_of(text))
}

#[derive(Deserialize)]
struct Before {
    checksum: Option<String>,
}

/// Retries as long as another replica causes conflicts.
async fn again_until<'a, T>(
    deadline: Instant,
    attempt: impl Fn() -> BoxFuture<'a, Result<T, neo4rs::Error>>,
) -> Result<T, StoreError> {
    loop {
        let outcome = tokio::time::timeout_at(deadline, attempt()).await;
        let error = match outcome {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(error)) => store_error(error),
            Err(_) => return Err(unavailable(format!("migrations did not complete within {} s", TIMEOUT.as_secs()))),
        };
        if error.kind != StoreErrorKind::Conflict {
            return Err(error);
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
