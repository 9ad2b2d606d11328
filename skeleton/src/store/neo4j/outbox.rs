//! The outbox: how messages are written into it, and who may relay them.
//!
//! Whoever writes locks one counter until its commit, so positions rise in commit order and the relay needs no
//! cursor. Only the holder of a lease relays; its clock is the server's, and what removes messages checks it in the
//! same statement.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use neo4rs::{BoltType, Query, query};
use serde::Deserialize;
use tokio::sync::{Mutex, Notify};
use uuid::Uuid;

use super::{Neo4j, error::unavailable, record};
use crate::{
    failure::StoreError,
    store::{Outbox, OutboxRow, Staged},
};

/// How long a lease lasts that nobody renews: how long a dead replica holds the others up.
const LEASE: &str = "PT15S";

/// How old a lease may get before its holder renews it.
const RENEW_AFTER: Duration = Duration::from_secs(5);

/// How many bytes an envelope comes to, with the names of the parameters around it.
const ENVELOPE: usize = 700;

/// Locks the counter first: its value is read after that, and nobody else gives out positions before the commit.
const STAGE: &str = "MATCH (counter:Counter {name: 'outbox'})
    SET counter.is_taken = true
    SET counter.last = counter.last + $count
    WITH counter.last - $count AS before
    UNWIND $subjects AS subject
    MERGE (sequence:Sequence {subject: subject.name}) ON CREATE SET sequence.last = 0
    SET sequence.last = sequence.last + size(subject.messages)
    WITH before, subject, sequence.last - size(subject.messages) AS given
    UNWIND subject.messages AS message
    CREATE (:Outbox {
        position: before + message.place,
        sequence: CASE subject.name WHEN '' THEN null ELSE given + message.rank END,
        exchange: message.exchange, routing_key: message.routing_key,
        envelope: message.envelope, body: message.body, written_at: datetime()
    })
    RETURN count(*) AS written";

const CLAIM: &str = "MATCH (lease:Lease {name: 'relay'})
    SET lease.is_taken = true
    WITH lease WHERE lease.holder = $holder OR lease.expires_at < datetime()
    SET lease.holder = $holder, lease.expires_at = datetime() + duration($lease)
    RETURN true AS held";

const NEXT: &str = "MATCH (message:Outbox) WHERE message.position > 0
    RETURN message.position AS position, message.exchange AS exchange, message.routing_key AS routing_key,
        message.sequence AS sequence, message.envelope AS envelope, message.body AS body
    ORDER BY position LIMIT $limit";

const REMOVE: &str = "MATCH (lease:Lease {name: 'relay'})
    SET lease.is_taken = true
    WITH lease WHERE lease.holder = $holder AND lease.expires_at >= datetime()
    UNWIND $positions AS position
    OPTIONAL MATCH (message:Outbox {position: position})
    DELETE message
    RETURN count(*) AS checked";

const RESIGN: &str = "MATCH (lease:Lease {name: 'relay'})
    SET lease.is_taken = true
    WITH lease WHERE lease.holder = $holder
    SET lease.expires_at = datetime() - duration('PT1S')";

/// Subjects whose number is lower than the one they reached.
const LOWER: &str = "UNWIND $rows AS row
    OPTIONAL MATCH (sequence:Sequence {subject: row.subject})
    WITH row, coalesce(sequence.last, 0) AS last WHERE last < row.last
    RETURN count(*) AS lower";

/// Moves them there. Locks each before it is read.
const RAISE: &str = "UNWIND $rows AS row
    MERGE (sequence:Sequence {subject: row.subject}) ON CREATE SET sequence.last = 0
    SET sequence.is_taken = true
    WITH row, sequence WHERE sequence.last < row.last
    SET sequence.last = row.last
    RETURN count(*) AS raised";

/// What a replica knows of its right to relay.
pub(super) struct Relay {
    holder: String,
    renewed: Mutex<Option<Instant>>,
}

#[derive(Deserialize)]
struct Message {
    position: i64,
    exchange: String,
    routing_key: String,
    sequence: Option<i64>,
    envelope: String,
    body: String,
}

/// About how many bytes a message comes to, as a parameter.
pub(super) fn bytes_of(staged: &Staged) -> usize {
    ENVELOPE + staged.exchange.len() + staged.routing_key.len() + staged.body.len()
}

/// Writes messages, giving each its subject's next number.
pub(super) fn stage(staged: &[Staged]) -> Result<Query, StoreError> {
    // Those without a number share the empty name, whose count nobody uses.
    let mut subjects: BTreeMap<&str, Vec<BoltType>> = BTreeMap::new();
    for (place, message) in (1i64..).zip(staged) {
        let messages = subjects.entry(message.numbered_subject().unwrap_or("")).or_default();
        let envelope = serde_json::to_string(&message.envelope).map_err(StoreError::broken)?;
        let rank = messages.len() as i64 + 1;
        messages.push(record([
            ("place", place.into()),
            ("rank", rank.into()),
            ("exchange", message.exchange.as_str().into()),
            ("routing_key", message.routing_key.as_str().into()),
            ("envelope", envelope.into()),
            ("body", message.body.as_str().into()),
        ]));
    }
    let subjects: BoltType = subjects
        .into_iter()
        .map(|(name, messages)| record([("name", name.into()), ("messages", messages.into())]))
        .collect();
    Ok(query(STAGE).param("count", staged.len() as i64).param("subjects", subjects))
}

impl Relay {
    pub(super) fn new() -> Self {
        Self { holder: Uuid::new_v4().to_string(), renewed: Mutex::default() }
    }
}

impl Outbox for Neo4j {
    async fn next(&self, limit: i64) -> Result<Option<Vec<OutboxRow>>, StoreError> {
        let mut renewed = self.relay.renewed.lock().await;
        if renewed.is_none_or(|at| at.elapsed() > RENEW_AFTER) {
            let asked_at = Instant::now();
            *renewed = None;
            let claim = query(CLAIM).param("holder", self.relay.holder.as_str()).param("lease", LEASE);
            let held: Vec<bool> = self.write(claim).await?;
            *renewed = held.first().map(|_| asked_at);
        }
        if renewed.is_none() {
            return Ok(None);
        }
        let messages: Vec<Message> = self.query(query(NEXT).param("limit", limit)).await?;
        messages.into_iter().map(OutboxRow::try_from).collect::<Result<_, _>>().map(Some)
    }

    async fn remove(&self, positions: &[i64]) -> Result<(), StoreError> {
        let mut renewed = self.relay.renewed.lock().await;
        let remove = query(REMOVE).param("holder", self.relay.holder.as_str()).param("positions", positions);
        let checked: Vec<i64> = self.write(remove).await?;
        if checked.first().is_none_or(|checked| *checked == 0) {
            *renewed = None;
            return Err(unavailable("another replica relays now"));
        }
        Ok(())
    }

    async fn resign(&self) {
        if self.relay.renewed.lock().await.take().is_some() {
            // Not done, it ends by itself.
            let _ = self.execute(query(RESIGN).param("holder", self.relay.holder.as_str())).await;
        }
    }

    async fn raise_sequences(&self, reached: &[(String, i64)], dry_run: bool) -> Result<u64, StoreError> {
        let rows: Vec<BoltType> = reached
            .iter()
            .map(|(subject, last)| record([("subject", subject.as_str().into()), ("last", (*last).into())]))
            .collect();
        let statement = if dry_run { LOWER } else { RAISE };
        let raised: Vec<i64> = self.write(query(statement).param("rows", rows)).await?;
        Ok(raised.first().map_or(0, |raised| raised.unsigned_abs()))
    }

    fn bell(&self) -> &Notify {
        &self.bell
    }
}

impl TryFrom<Message> for OutboxRow {
    type Error = StoreError;

    fn try_from(message: Message) -> Result<Self, StoreError> {
        let envelope: events::Envelope = serde_json::from_str(&message.envelope).map_err(StoreError::broken)?;
        Ok(Self {
            position: message.position,
            exchange: message.exchange,
            routing_key: message.routing_key,
            envelope: events::Envelope { sequence: message.sequence, ..envelope },
            body: message.body.into_bytes(),
        })
    }
}
