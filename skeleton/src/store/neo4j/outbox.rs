//! The outbox: how messages are written into it, and which replica relays them.
//!
//! A transaction that publishes locks one counter until its commit. So positions grow in commit order, and the relay
//! needs no cursor. Only the holder of a lease relays. The lease uses the server's clock, and the statement that
//! removes messages checks it.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use events::Envelope;
use neo4rs::{BoltType, Query, query};
use serde::Deserialize;
use tokio::sync::{Mutex, Notify};
use uuid::Uuid;

use super::{Neo4j, error::unavailable, record};
use crate::{
    failure::StoreError,
    store::{
        Outbox, OutboxRow, PendingMessage, Route,
        outbox::{read_envelope, tell_unreadable},
    },
};

/// How long a lease lasts without renewal: a dead replica blocks the others for this long.
const LEASE: &str = "PT15S";

/// The age at which the holder renews its lease.
const RENEW_AFTER: Duration = Duration::from_secs(5);

/// The approximate size of an envelope in bytes, with the names of the parameters around it.
const ENVELOPE: usize = 700;

/// Locks the counter before reading its value: no other transaction assigns positions before the commit.
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

const NEXT: &str = "MATCH (message:Outbox) WHERE message.position >= $from AND message.postponed_at IS NULL
    RETURN message.position AS position, message.exchange AS exchange, message.routing_key AS routing_key,
        message.sequence AS sequence, message.envelope AS envelope, message.body AS body
    ORDER BY position LIMIT $limit";

const POSTPONE: &str = "UNWIND $rows AS row MATCH (message:Outbox {position: row.position})
    SET message.postponed_at = datetime(), message.ordering_key = row.key";

const FIRST_POSTPONED: &str = "UNWIND $keys AS key MATCH (message:Outbox {ordering_key: key})
    RETURN key, min(message.position) AS position";

const POSTPONED: &str = "MATCH (message:Outbox) WHERE message.ordering_key IS NOT NULL
    RETURN message.exchange AS exchange, message.routing_key AS routing_key, count(*) AS count";

const POSTPONED_OF: &str = "MATCH (message:Outbox) WHERE message.ordering_key IS NOT NULL
        AND message.exchange = $exchange AND message.routing_key = $routing_key AND message.position > $after
    RETURN message.position AS position, message.exchange AS exchange, message.routing_key AS routing_key,
        message.sequence AS sequence, message.envelope AS envelope, message.body AS body
    ORDER BY position LIMIT $limit";

const READMIT: &str = "MATCH (message:Outbox) WHERE message.ordering_key IS NOT NULL
        AND message.exchange = $exchange AND message.routing_key = $routing_key
    WITH message ORDER BY message.position LIMIT $limit
    REMOVE message.postponed_at, message.ordering_key
    RETURN message.position AS position";

const SET_ASIDE: &str = "MATCH (message:Outbox {position: $position})
    REMOVE message:Outbox
    SET message:Unreadable, message.origin = 'outbox', message.reason = $reason, message.found_at = datetime()";

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

/// Subjects whose sequence is lower than the given one.
const LOWER: &str = "UNWIND $rows AS row
    OPTIONAL MATCH (sequence:Sequence {subject: row.subject})
    WITH row, coalesce(sequence.last, 0) AS last WHERE last < row.last
    RETURN count(*) AS lower";

/// Raises them. Locks each sequence before reading it.
const RAISE: &str = "UNWIND $rows AS row
    MERGE (sequence:Sequence {subject: row.subject}) ON CREATE SET sequence.last = 0
    SET sequence.is_taken = true
    WITH row, sequence WHERE sequence.last < row.last
    SET sequence.last = row.last
    RETURN count(*) AS raised";

/// A replica's state of its right to relay.
pub(super) struct Relay {
    holder: String,
    held: Mutex<Held>,
}

/// When the lease was renewed, and the position to read the outbox from.
#[derive(Default)]
struct Held {
    renewed: Option<Instant>,
    from: i64,
    last: i64,
}

/// A node of the outbox. A missing property makes this node unreadable, not the whole window.
#[derive(Deserialize)]
struct Message {
    position: i64,
    exchange: Option<String>,
    routing_key: Option<String>,
    sequence: Option<i64>,
    envelope: Option<String>,
    body: Option<String>,
}

#[derive(Deserialize)]
struct First {
    key: i64,
    position: i64,
}

#[derive(Deserialize)]
struct Counted {
    exchange: String,
    routing_key: String,
    count: i64,
}

/// The approximate size of a message as a parameter, in bytes.
pub(super) fn bytes_of(staged: &PendingMessage) -> usize {
    ENVELOPE + staged.exchange.len() + staged.routing_key.len() + staged.body.len()
}

/// Inserts messages with the next sequence of their subjects.
pub(super) fn stage(staged: &[PendingMessage]) -> Result<Query, StoreError> {
    // Messages without a sequence share the empty name, whose counter is not used.
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
        Self { holder: Uuid::new_v4().to_string(), held: Mutex::default() }
    }
}

impl Held {
    /// Records that the outbox was read. Positions grow in commit order: no message appears any more before those read.
    fn has_read(&mut self, messages: &[Message]) {
        self.from = messages.first().map_or(self.last + 1, |first| first.position);
        self.last = messages.last().map_or(self.last, |last| self.last.max(last.position));
    }
}

impl Neo4j {
    /// Takes or renews the lease. Reads from the start again: a person may have put messages back.
    async fn claim(&self, held: &mut Held) -> Result<(), StoreError> {
        let asked_at = Instant::now();
        *held = Held::default();
        let claim = query(CLAIM).param("holder", self.relay.holder.as_str()).param("lease", LEASE);
        let claimed: Vec<bool> = self.write(claim).await?;
        held.renewed = claimed.first().map(|_| asked_at);
        Ok(())
    }

    async fn set_unreadable_aside(&self, position: i64, reason: &str) -> Result<(), StoreError> {
        self.execute(query(SET_ASIDE).param("position", position).param("reason", reason)).await?;
        tell_unreadable("outbox", &position.to_string(), reason);
        Ok(())
    }
}

impl Outbox for Neo4j {
    async fn next(&self, limit: i64) -> Result<Option<Vec<OutboxRow>>, StoreError> {
        let mut held = self.relay.held.lock().await;
        if held.renewed.is_none_or(|at| at.elapsed() > RENEW_AFTER) {
            self.claim(&mut held).await?;
        }
        if held.renewed.is_none() {
            return Ok(None);
        }
        let asked = query(NEXT).param("limit", limit).param("from", held.from);
        let messages: Vec<Message> = self.query(asked).await?;
        held.has_read(&messages);
        let mut rows = Vec::with_capacity(messages.len());
        for message in messages {
            let position = message.position;
            match OutboxRow::try_from(message) {
                Ok(row) => rows.push(row),
                Err(reason) => self.set_unreadable_aside(position, &reason).await?,
            }
        }
        Ok(Some(rows))
    }

    async fn remove(&self, positions: &[i64]) -> Result<(), StoreError> {
        let mut held = self.relay.held.lock().await;
        let remove = query(REMOVE).param("holder", self.relay.holder.as_str()).param("positions", positions);
        let checked: Vec<i64> = self.write(remove).await?;
        if checked.first().is_none_or(|checked| *checked == 0) {
            held.renewed = None;
            return Err(unavailable("another replica is now the relay"));
        }
        Ok(())
    }

    async fn keep_relaying(&self) -> Result<(), StoreError> {
        self.claim(&mut *self.relay.held.lock().await).await
    }

    async fn postpone(&self, rows: &[&OutboxRow]) -> Result<(), StoreError> {
        let row = |row: &&OutboxRow| record([("position", row.position.into()), ("key", row.ordering_key().into())]);
        let rows: Vec<BoltType> = rows.iter().map(row).collect();
        self.execute(query(POSTPONE).param("rows", rows)).await
    }

    async fn first_postponed(&self, keys: &[i64]) -> Result<BTreeMap<i64, i64>, StoreError> {
        let found: Vec<First> = self.query(query(FIRST_POSTPONED).param("keys", keys)).await?;
        Ok(found.into_iter().map(|first| (first.key, first.position)).collect())
    }

    async fn postponed(&self) -> Result<BTreeMap<Route, u64>, StoreError> {
        let counted: Vec<Counted> = self.query(query(POSTPONED)).await?;
        let route = |Counted { exchange, routing_key, count }| (Route { exchange, routing_key }, count.unsigned_abs());
        Ok(counted.into_iter().map(route).collect())
    }

    async fn postponed_of(&self, route: &Route, after: i64, limit: i64) -> Result<Vec<OutboxRow>, StoreError> {
        let postponed = query(POSTPONED_OF)
            .param("exchange", route.exchange.as_str())
            .param("routing_key", route.routing_key.as_str())
            .param("after", after)
            .param("limit", limit);
        let messages: Vec<Message> = self.query(postponed).await?;
        // An unreadable row is set aside when it is read to be sent.
        Ok(messages.into_iter().filter_map(|message| OutboxRow::try_from(message).ok()).collect())
    }

    async fn readmit(&self, route: &Route, limit: i64) -> Result<Vec<i64>, StoreError> {
        let readmit = query(READMIT)
            .param("exchange", route.exchange.as_str())
            .param("routing_key", route.routing_key.as_str())
            .param("limit", limit);
        let positions: Vec<i64> = self.write(readmit).await?;
        if let Some(first) = positions.iter().min() {
            let mut held = self.relay.held.lock().await;
            held.from = held.from.min(*first);
        }
        Ok(positions)
    }

    async fn unreadable(&self) -> Result<i64, StoreError> {
        Ok(self.query_opt(query("RETURN COUNT { (:Unreadable) } AS unreadable")).await?.unwrap_or(0))
    }

    async fn release_leadership(&self) {
        if self.relay.held.lock().await.renewed.take().is_some() {
            // If this fails, the lease expires.
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

    fn wakeup(&self) -> &Notify {
        &self.wakeup
    }
}

impl TryFrom<Message> for OutboxRow {
    type Error = String;

    fn try_from(message: Message) -> Result<Self, String> {
        let missing = |property: &str| format!("the property {property} is missing");
        let envelope = read_envelope(&message.envelope.ok_or_else(|| missing("envelope"))?)?;
        Ok(Self {
            position: message.position,
            exchange: message.exchange.ok_or_else(|| missing("exchange"))?,
            routing_key: message.routing_key.ok_or_else(|| missing("routing_key"))?,
            envelope: Envelope { sequence: message.sequence, ..envelope },
            body: message.body.ok_or_else(|| missing("body"))?.into_bytes(),
        })
    }
}
