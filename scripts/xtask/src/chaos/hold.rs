//! A lock in Postgres that blocks others at a known statement until it is released.

use std::time::Duration;

use anyhow::Result;
use tokio_postgres::Client;

use crate::{trial::connect, wait::until};

/// A transaction that holds a lock; rolled back on drop.
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

    /// Waits until a session waits for the lock with a statement that begins like this.
    pub async fn holds(&self, statement: &str) -> Result<()> {
        let sql = "select exists (select from pg_stat_activity
            where datname = current_database() and wait_event_type = 'Lock' and query ilike $1 || '%')";
        // Over a separate session: within a transaction, Postgres keeps showing its first snapshot of the statistics.
        let watching = connect(self.database).await?;
        until(&format!("a session in {} to wait for a lock", self.database), Duration::from_secs(30), async || {
            Ok(watching.query_one(sql, &[&statement]).await?.get(0))
        })
        .await
    }

    /// Terminates the sessions that wait for it. Those of a killed process would otherwise continue once it is
    /// released, because Postgres notices a closed connection only when it responds.
    pub async fn end_waiting(&self) -> Result<()> {
        let sql = "select pg_terminate_backend(pid) from pg_locks
            where not granted and pg_backend_pid() = any(pg_blocking_pids(pid))";
        self.client.execute(sql, &[]).await?;
        until(&format!("no session in {} to wait for a lock", self.database), Duration::from_secs(30), async || {
            Ok(self.client.execute(sql, &[]).await? == 0)
        })
        .await
    }

    /// Releases the lock.
    pub async fn release(self) -> Result<()> {
        Ok(self.client.batch_execute("rollback").await?)
    }
}
