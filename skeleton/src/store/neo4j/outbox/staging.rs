//! How messages are written into the outbox.

use std::collections::BTreeMap;

use neo4rs::{BoltType, Query, query};

use crate::{
    failure::StoreError,
    store::{PendingMessage, neo4j::record},
};

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

/// The approximate size of a message as a parameter, in bytes.
pub(in crate::store::neo4j) fn bytes_of(staged: &PendingMessage) -> usize {
    ENVELOPE + staged.exchange.len() + staged.routing_key.len() + staged.body.len()
}

/// Inserts messages with the next sequence of their subjects.
pub(in crate::store::neo4j) fn stage(staged: &[PendingMessage]) -> Result<Query, StoreError> {
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
