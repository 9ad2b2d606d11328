//! A lock in Postgres that holds others up at a known place, until it is let go.

use std::time::Duration;

use anyhow::Result;
use tokio_postgres::Client;

use crate::{trial::connect, wait::until};

/// A transaction that holds a lock. Dropped, it is rolled back.
pub struct Hold {
    database: &'static str,
    client: Client,
}

impl Hold {
    /// Takes a lock in a database with this statement.
    pub async fn of(database: &'static str, sql: &str) -> Result<Self> {
        let client = connect(database).await?;
        client.batch_execute("begin").await?;
        client.batch_execute(sql).await?;
        Ok(Self { database, client })
    }

    /// Waits until somebody waits for it, with a statement that begins like this.
    pub async fn holds(&self, statement: &str) -> Result<()> {
        let sql = "select exists (select from pg_stat_activity
            where datname = current_database() and wait_event_type = 'Lock' and query ilike $1 || '%')";
        // Over a session of its own: within a transaction, Postgres shows what it has shown first.
        let watching = connect(self.database).await?;
        until(&format!("somebody in {} to wait for a lock", self.database), Duration::from_secs(30), async || {
            Ok(watching.query_one(sql, &[&statement]).await?.get(0))
        })
        .await
    }

    /// Ends the sessions that wait for it: those of a process that was killed would otherwise go on once it lets go, as
    /// Postgres notices only when it answers that nobody listens.
    pub async fn end_waiting(&self) -> Result<()> {
        let sql = "select pg_terminate_backend(pid) from pg_locks
            where not granted and pg_backend_pid() = any(pg_blocking_pids(pid))";
        self.client.execute(sql, &[]).await?;
        until(&format!("nobody in {} to wait for a lock", self.database), Duration::from_secs(30), async || {
            Ok(self.client.execute(sql, &[]).await? == 0)
        })
        .await
    }

    /// Lets go.
    pub async fn release(self) -> Result<()> {
        Ok(self.client.batch_execute("rollback").await?)
    }
}
