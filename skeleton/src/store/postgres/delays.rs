//! Delayed jobs: a table ordered by due time. One replica moves jobs at a time, so that their order is kept. A job that
//! is being cancelled at that moment is left for the next round.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio_postgres::Row;
use uuid::Uuid;

use super::{Postgres, Tx, unreadable};
use crate::{
    failure::StoreError,
    store::{
        Delay, Delays, PendingMessage,
        outbox::{read_envelope, tell_unreadable},
    },
};

/// The advisory lock of the replica that moves due jobs: an arbitrary number, the same in every replica. It is released
/// with the transaction.
const LOCK: i64 = 0x6b69_7468_0003;

const KEEP: &str = "insert into skeleton.delayed (message_id, due_at, exchange, routing_key, envelope, body) values ($1, $2, $3, $4, $5, $6)";

const TAKE: &str = "delete from skeleton.delayed where position = any(array(
        select position from skeleton.delayed where due_at <= now() order by due_at, position limit $1 for update skip locked))
    returning due_at, position, message_id, exchange, routing_key, envelope, body";

/// Takes the lock, unless another replica has it. A replica that freezes with it keeps it for at most
/// 15 seconds.
const TAKE_TURN: &str =
    "select pg_try_advisory_xact_lock($1), set_config('idle_in_transaction_session_timeout', '15s', true)";

impl Delay for Tx {
    async fn cancel(&mut self, message: Uuid) -> Result<bool, StoreError> {
        Ok(self.execute("delete from skeleton.delayed where message_id = $1", &[&message]).await? > 0)
    }

    async fn keep_until(&mut self, due: DateTime<Utc>, message: &PendingMessage) -> Result<(), StoreError> {
        let envelope = serde_json::to_string(&message.envelope).map_err(StoreError::broken)?;
        let PendingMessage { exchange, routing_key, body, .. } = message;
        self.execute_later(KEEP, &[&message.envelope.id, &due, exchange, routing_key, &envelope, body]).await
    }

    async fn take_due(&mut self, limit: i64) -> Result<Vec<PendingMessage>, StoreError> {
        // A separate statement, so that the next one sees everything that the previous holder has committed.
        let locked = self.query_one(TAKE_TURN, &[&LOCK]).await?;
        if !locked.get::<_, bool>(0) {
            return Ok(Vec::new());
        }
        let mut rows = self.query(TAKE, &[&limit]).await?;
        rows.sort_by_key(|row| (row.get::<_, DateTime<Utc>>(0), row.get::<_, i64>(1)));
        let mut due = Vec::with_capacity(rows.len());
        for row in &rows {
            match staged(row) {
                Ok(message) => due.push(message),
                Err(reason) => {
                    unreadable::from_delayed(self, row, &reason).await?;
                    tell_unreadable("delayed", &row.get::<_, Uuid>(2).to_string(), &reason);
                }
            }
        }
        Ok(due)
    }
}

impl Delays for Postgres {
    async fn until_due(&self) -> Result<Option<Duration>, StoreError> {
        let sql = "select extract(epoch from due_at - clock_timestamp())::float8 from skeleton.delayed order by due_at limit 1";
        let row = self.query_opt(sql, &[]).await?;
        // A duration that is out of range counts as infinitely far away.
        let wait = |seconds: f64| Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX);
        Ok(row.map(|row| wait(row.get(0))))
    }

    async fn delayed(&self) -> Result<i64, StoreError> {
        let row = self.query_opt("select count(*) from skeleton.delayed", &[]).await?;
        Ok(row.map_or(0, |row| row.get(0)))
    }
}

fn staged(row: &Row) -> Result<PendingMessage, String> {
    Ok(PendingMessage {
        exchange: row.get(3),
        routing_key: row.get(4),
        envelope: read_envelope(row.get(5))?,
        body: row.get(6),
    })
}
