//! The outbox as the relay sees it: the oldest rows first, deleted over the session that holds the relay's lock.

use std::time::Duration;

use events::Envelope;
use tokio::sync::{Mutex, Notify};
use tokio_postgres::{Client, Row, Statement};

use super::{Postgres, error::unavailable, patience::within};
use crate::{
    failure::StoreError,
    store::{Outbox, OutboxRow},
};

/// Any number, the same in every replica: the lock of who relays.
const RELAY_LOCK: i64 = 0x6b69_7468_0002;

/// Subjects whose number is lower than the one they reached.
const LOWER: &str = "select subject from unnest($1::text[], $2::bigint[]) as reached (subject, last)
    left join skeleton.sequences as h using (subject) where coalesce(h.last, 0) < reached.last";

/// Moves them there; sorted, so that it does not deadlock with a transaction that publishes.
const RAISE: &str = "insert into skeleton.sequences as h (subject, last)
    select subject, last from unnest($1::text[], $2::bigint[]) as reached (subject, last) order by subject
    on conflict (subject) do update set last = excluded.last where h.last < excluded.last";

/// How long the database may take to answer the relay.
const LIMIT: Duration = Duration::from_secs(10);

/// The session that holds the lock, where this process has it.
pub(super) type Relay = Mutex<Option<RelaySession>>;

/// A session that holds the relay's lock.
pub(super) struct RelaySession {
    client: Client,
    next: Statement,
    remove: Statement,
}

impl Outbox for Postgres {
    async fn next(&self, limit: i64) -> Result<Option<Vec<OutboxRow>>, StoreError> {
        let mut held = self.relay.lock().await;
        if held.as_ref().is_none_or(|session| session.client.is_closed()) {
            *held = claim(self).await?;
        }
        let Some(session) = held.as_ref() else { return Ok(None) };
        let asked = within(LIMIT, session.client.query(&session.next, &[&limit])).await;
        if asked.is_err() {
            *held = None;
        }
        asked?.iter().map(outbox_row).collect::<Result<Vec<_>, _>>().map(Some)
    }

    async fn remove(&self, positions: &[i64]) -> Result<(), StoreError> {
        let mut held = self.relay.lock().await;
        let Some(session) = held.as_ref() else { return Err(unavailable("the relay's session is gone")) };
        let removed = within(LIMIT, session.client.execute(&session.remove, &[&positions])).await;
        if removed.is_err() {
            *held = None;
        }
        removed.map(drop)
    }

    async fn resign(&self) {
        // The lock goes with the session.
        *self.relay.lock().await = None;
    }

    async fn raise_sequences(&self, reached: &[(String, i64)], dry_run: bool) -> Result<u64, StoreError> {
        let (subjects, last): (Vec<&str>, Vec<i64>) = reached.iter().map(|(name, last)| (name.as_str(), *last)).unzip();
        if dry_run {
            return Ok(self.query(LOWER, &[&subjects, &last]).await?.len() as u64);
        }
        self.execute(RAISE, &[&subjects, &last]).await
    }

    fn bell(&self) -> &Notify {
        &self.bell
    }
}

/// A session that holds the relay's lock; `None` where another replica has it.
async fn claim(store: &Postgres) -> Result<Option<RelaySession>, StoreError> {
    let client = store.connect().await?;
    let claimed = within(LIMIT, client.query_one("select pg_try_advisory_lock($1)", &[&RELAY_LOCK])).await?;
    if !claimed.get::<_, bool>(0) {
        return Ok(None);
    }
    // A removal need not wait for the disk: one that a crash of the database takes back is sent once more under its id.
    within(LIMIT, client.batch_execute("set synchronous_commit = off")).await?;
    let next = "select position, exchange, routing_key, sequence, envelope, body from skeleton.outbox order by position limit $1";
    let next = within(LIMIT, client.prepare(next)).await?;
    let remove = within(LIMIT, client.prepare("delete from skeleton.outbox where position = any($1)")).await?;
    Ok(Some(RelaySession { client, next, remove }))
}

fn outbox_row(row: &Row) -> Result<OutboxRow, StoreError> {
    let envelope: Envelope = serde_json::from_str(row.get(4)).map_err(StoreError::broken)?;
    Ok(OutboxRow {
        position: row.get(0),
        exchange: row.get(1),
        routing_key: row.get(2),
        envelope: Envelope { sequence: row.get(3), ..envelope },
        body: row.get::<_, String>(5).into_bytes(),
    })
}
