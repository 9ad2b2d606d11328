//! Messages that have to wait, as nodes.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use neo4rs::{BoltBytes, Query, query};
use serde::Deserialize;
use uuid::Uuid;

use crate::{
    failure::StoreError,
    messaging::order::Place,
    store::{Filter, SetAside, State},
};

/// A message that has to wait, as its node has it.
#[derive(Deserialize)]
pub(super) struct Kept {
    id: Uuid,
    queue: String,
    name: String,
    subject: Option<String>,
    line: Option<String>,
    number: Option<i64>,
    headers: String,
    body: BoltBytes,
    state: String,
    attempts: u32,
    due_at: DateTime<Utc>,
    reason: String,
    first_failed_at: DateTime<Utc>,
    last_failed_at: DateTime<Utc>,
}

impl TryFrom<Kept> for SetAside {
    type Error = StoreError;

    fn try_from(kept: Kept) -> Result<Self, StoreError> {
        let headers: BTreeMap<String, String> = serde_json::from_str(&kept.headers).map_err(StoreError::broken)?;
        Ok(Self {
            message: kept.id,
            queue: kept.queue,
            name: kept.name,
            subject: kept.subject,
            place: kept.line.zip(kept.number).map(|(line, number)| Place { line, number }),
            headers,
            body: kept.body.value.to_vec(),
            state: State::from_word(&kept.state),
            attempts: kept.attempts,
            due_at: kept.due_at,
            reason: kept.reason,
            first_failed_at: kept.first_failed_at,
            last_failed_at: kept.last_failed_at,
        })
    }
}

/// Keeps a message, in place of what was kept of it before.
pub(super) fn keep(kept: &SetAside) -> Result<Query, StoreError> {
    let headers = serde_json::to_string(&kept.headers).map_err(StoreError::broken)?;
    let statement = "MERGE (kept:SetAside {id: $id})
        ON CREATE SET kept.queue = $queue, kept.name = $name, kept.subject = $subject, kept.headers = $headers,
            kept.line = $line, kept.number = $number, kept.body = $body, kept.first_failed_at = $first_failed_at
        SET kept.state = $state, kept.attempts = $attempts, kept.due_at = $due_at, kept.reason = $reason,
            kept.last_failed_at = $last_failed_at";
    Ok(query(statement)
        .param("id", kept.message.to_string())
        .param("queue", kept.queue.as_str())
        .param("name", kept.name.as_str())
        .param("subject", kept.subject.clone())
        .param("line", kept.place.as_ref().map(|place| place.line.clone()))
        .param("number", kept.place.as_ref().map(|place| place.number))
        .param("headers", headers)
        .param("body", kept.body.as_slice())
        .param("state", kept.state.as_str())
        .param("attempts", i64::from(kept.attempts))
        .param("due_at", kept.due_at)
        .param("reason", kept.reason.as_str())
        .param("first_failed_at", kept.first_failed_at)
        .param("last_failed_at", kept.last_failed_at))
}

/// Messages whose wait is over, and those whose turn it is now.
pub(super) const DUE: &str = "CALL {
        MATCH (kept:SetAside {queue: $queue, state: 'waiting'}) WHERE kept.due_at <= datetime() RETURN kept
        UNION ALL
        MATCH (kept:SetAside {queue: $queue, state: 'behind'}) MATCH (line:Line {name: kept.line})
        WHERE kept.number <= line.last + 1 RETURN kept
    }
    RETURN kept.id AS id ORDER BY kept.due_at LIMIT $limit";

/// Lets parked messages wait for an attempt that is due. Where one is behind, the numbers before it that are nowhere
/// set aside are given up: ten thousand at most, so that a number out of this world does no harm.
pub(super) const REDRIVE: &str =
    "UNWIND $ids AS id MATCH (kept:SetAside {id: id}) WHERE kept.state IN ['parked', 'behind']
    OPTIONAL MATCH (line:Line {name: kept.line})
    WITH kept, CASE kept.state WHEN 'behind' THEN coalesce(line.last, 0) ELSE null END AS last
    CALL {
        WITH kept, last WITH kept, last WHERE last IS NOT NULL
        WITH kept, CASE WHEN last + 1 < kept.number - 10000 THEN kept.number - 10000 ELSE last + 1 END AS from
        UNWIND range(from, kept.number - 1) AS number
        WITH kept, number WHERE NOT EXISTS { (:SetAside {line: kept.line, number: number}) }
        MERGE (:GivenUp {line: kept.line, number: number})
        RETURN count(*) AS missing
    }
    SET kept.state = 'waiting', kept.attempts = 0, kept.due_at = datetime() RETURN count(kept) AS redriven";

/// Forgets messages. Their numbers are given up, and those behind them look again whether it is their turn.
pub(super) const DROP: &str =
    "UNWIND $ids AS id MATCH (kept:SetAside {id: id}) WHERE kept.state IN ['parked', 'behind']
    WITH kept, kept.line AS line, kept.number AS number
    DELETE kept
    WITH line, number
    CALL {
        WITH line, number WITH line, number WHERE line IS NOT NULL
        MERGE (:GivenUp {line: line, number: number})
        WITH line MATCH (next:SetAside {line: line, state: 'behind'})
        SET next.state = 'waiting', next.due_at = datetime()
        RETURN count(*) AS released
    }
    RETURN count(*) AS dropped";

/// The messages that a filter lets through, oldest first.
pub(super) fn list(filter: &Filter, limit: i64) -> Query {
    // One that is handled in this moment may be found and have lost its properties already.
    let statement = "MATCH (node:SetAside)
        WITH properties(node) AS kept
        WHERE kept.id IS NOT NULL AND ($id IS NULL OR kept.id = $id) AND ($name IS NULL OR kept.name = $name)
            AND ($subject IS NULL OR kept.subject = $subject) AND ($reason IS NULL OR kept.reason CONTAINS $reason)
            AND ($state IS NULL OR kept.state = $state)
        RETURN kept ORDER BY kept.first_failed_at, kept.id LIMIT $limit";
    query(statement)
        .param("id", filter.id.map(|id| id.to_string()))
        .param("name", filter.name.clone())
        .param("subject", filter.subject.clone())
        .param("reason", filter.reason.clone())
        .param("state", filter.state.map(|state| state.as_str().to_owned()))
        .param("limit", limit)
}
