//! Migrations only go forward, and an older build starts on a schema that a newer one has migrated.

use refinery::{Migration, Runner};
use tokio_postgres::Client;
use tracing::info;

use super::error::{store_error, text_of};
use crate::failure::StoreError;

/// Runs the pending migrations. Those of a newer build are ignored: its schema works with this build.
pub(super) async fn run(client: &mut Client, table: &str, migrations: &[(&str, &str)]) -> Result<(), StoreError> {
    let migrations = migrations
        .iter()
        .map(|(name, sql)| Migration::unapplied(name, sql))
        .collect::<Result<Vec<_>, _>>()
        .map_err(StoreError::broken)?;
    check_order(client, table, &migrations).await?;
    // A migration that has changed since it ran is still rejected.
    let mut runner = Runner::new(&migrations).set_abort_missing(false).set_abort_divergent(true);
    runner.set_migration_table_name(table);
    runner
        .run_async(client)
        .await
        .map(drop)
        .map_err(|error| StoreError::broken(format!("a migration failed: {}", text_of(&error))))
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
