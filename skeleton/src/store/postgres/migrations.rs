//! Migrations only go forward, and an older build starts on a schema that a newer one has migrated.
//!
//! A migration may take as long as it needs, and the other replicas wait for it. It never waits long for a lock: other
//! statements that need the table queue behind it. So it is rolled back after a short wait, and retried.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    time::Duration,
};

use refinery::{Migration, Runner, error::Kind};
use tokio::time::{Instant, sleep};
use tokio_postgres::{Client, error::SqlState};
use tracing::{info, warn};

use super::error::{store_error, text_of, unavailable};
use crate::failure::StoreError;

/// The migrations of the skeleton's own tables, in order.
const OWN: &[(&str, &str)] = &[
    ("V1__messaging", include_str!("V1__messaging.sql")),
    ("V2__order", include_str!("V2__order.sql")),
    ("V3__decisions", include_str!("V3__decisions.sql")),
    ("V4__delays", include_str!("V4__delays.sql")),
    ("V5__sagas", include_str!("V5__sagas.sql")),
    ("V6__schedules", include_str!("V6__schedules.sql")),
    ("V7__limits", include_str!("V7__limits.sql")),
    ("V8__history", include_str!("V8__history.sql")),
    ("V9__relay", include_str!("V9__relay.sql")),
    ("V10__expiry", include_str!("V10__expiry.sql")),
    ("V11__set_aside", include_str!("V11__set_aside.sql")),
    ("V12__jobs_that_end", include_str!("V12__jobs_that_end.sql")),
    ("V13__idempotency", include_str!("V13__idempotency.sql")),
    ("V14__jobs_and_decisions", include_str!("V14__jobs_and_decisions.sql")),
    ("V15__ready_messages", include_str!("V15__ready_messages.sql")),
    ("V16__marks", include_str!("V16__marks.sql")),
];

/// The advisory lock around migrations: an arbitrary number, the same in every replica. The relay has another.
const LOCK: i64 = 0x6b69_7468_0001;

/// The interval at which a replica tries to take the lock.
const POLL: Duration = Duration::from_millis(500);

/// No statement has a time limit, whatever the role's default is. A migration waits for each lock for `lock_timeout`.
/// If this process ends, the server ends its statement, so that another replica can migrate.
const LIMITS: &str = "set statement_timeout = 0; set lock_timeout = '2s'; set client_connection_check_interval = '5s'";

/// The pause after a migration did not get a lock: longer than the wait, so that other statements get their turn.
const PAUSE: Duration = Duration::from_secs(3);

/// How long migrations are retried for locks that other transactions hold.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Runs the pending migrations of the skeleton's own tables. The session keeps the lock around migrations.
pub(crate) async fn run_own(client: &mut Client) -> Result<(), StoreError> {
    lock(client).await?;
    client.batch_execute("create schema if not exists skeleton").await.map_err(store_error)?;
    run(client, "skeleton.skeleton_migrations", OWN).await
}

/// A text that differs for builds whose migrations of the skeleton's own tables differ.
pub(crate) fn checksum_of_own() -> String {
    let mut hash = DefaultHasher::new();
    OWN.hash(&mut hash);
    format!("{:016x}", hash.finish())
}

/// Takes the lock around migrations; it is released with the session. Waits as long as another replica migrates: if
/// that one dies, its session ends. Polls: a statement that waits would be ended by its time limit.
async fn lock(client: &Client) -> Result<(), StoreError> {
    let mut is_waiting = false;
    loop {
        let claimed = client.query_one("select pg_try_advisory_lock($1)", &[&LOCK]).await.map_err(store_error)?;
        if claimed.get(0) {
            return client.batch_execute(LIMITS).await.map_err(store_error);
        }
        if !std::mem::replace(&mut is_waiting, true) {
            info!("another replica migrates the store; waiting for it");
        }
        sleep(POLL).await;
    }
}

/// Runs the pending migrations. One that does not get a lock is retried.
pub(super) async fn run(client: &mut Client, table: &str, migrations: &[(&str, &str)]) -> Result<(), StoreError> {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        match run_once(client, table, migrations).await {
            Err(Failed::Locked(text)) if Instant::now() < deadline => {
                warn!(error = text, "a migration did not get a lock; retrying");
                sleep(PAUSE).await;
            }
            Err(Failed::Locked(text)) => return Err(unavailable(format!("{text}; a long transaction holds the lock"))),
            Err(Failed::Otherwise(error)) => return Err(error),
            Ok(()) => return Ok(()),
        }
    }
}

/// Why migrations failed.
enum Failed {
    /// Another transaction holds a lock.
    Locked(String),
    /// For another reason.
    Otherwise(StoreError),
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self::Otherwise(error)
    }
}

impl From<refinery::Error> for Failed {
    fn from(error: refinery::Error) -> Self {
        let text = format!("a migration failed: {}", text_of(&error));
        if is_locked(&error) { Self::Locked(text) } else { Self::Otherwise(StoreError::broken(text)) }
    }
}

fn is_locked(error: &refinery::Error) -> bool {
    let Kind::Connection(_, source) = error.kind() else { return false };
    let code = source.downcast_ref::<tokio_postgres::Error>().and_then(tokio_postgres::Error::code);
    code.is_some_and(|code| [SqlState::LOCK_NOT_AVAILABLE, SqlState::T_R_DEADLOCK_DETECTED].contains(code))
}

/// Runs the pending migrations, each in its own transaction. Those of a newer build are ignored: its schema works with
/// this build.
async fn run_once(client: &mut Client, table: &str, migrations: &[(&str, &str)]) -> Result<(), Failed> {
    let migrations = migrations
        .iter()
        .map(|(name, sql)| Migration::unapplied(name, sql))
        .collect::<Result<Vec<_>, _>>()
        .map_err(StoreError::broken)?;
    check_order(client, table, &migrations).await?;
    // A migration that has changed since it ran is still rejected.
    let mut runner = Runner::new(&migrations).set_abort_missing(false).set_abort_divergent(true);
    runner.set_migration_table_name(table);
    runner.run_async(client).await?;
    Ok(())
}

/// Rejects a pending migration if a later one has run: the library would skip it.
async fn check_order(client: &Client, table: &str, migrations: &[Migration]) -> Result<(), StoreError> {
    let found = client.query_one("select to_regclass($1)::text", &[&table]).await.map_err(store_error)?;
    if found.get::<_, Option<&str>>(0).is_none() {
        return Ok(());
    }
    let rows = client.query(&format!("select version::int from {table}"), &[]).await.map_err(store_error)?;
    let applied: Vec<i32> = rows.iter().map(|row| row.get(0)).collect();
    let newest = applied.iter().max().copied().unwrap_or_default();
    let left_out = migrations.iter().find(|one| one.version() < newest && !applied.contains(&one.version()));
    if let Some(left_out) = left_out {
        let text =
            format!("migration {left_out} has not run, but version {newest} has: renumber it to a later version");
        return Err(StoreError::broken(text));
    }
    if migrations.iter().all(|one| one.version() < newest) {
        info!(table, newest, "the schema was migrated by a newer build");
    }
    Ok(())
}
