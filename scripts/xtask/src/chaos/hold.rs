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

    /// Lets go.
    pub async fn release(self) -> Result<()> {
        Ok(self.client.batch_execute("rollback").await?)
    }
}
