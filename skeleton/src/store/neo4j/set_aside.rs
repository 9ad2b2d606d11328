//! Set-aside messages in Neo4j.

use chrono::{DateTime, Utc};
use neo4rs::{BoltBytes, Query, query};
use serde::Deserialize;
use uuid::Uuid;

use crate::{
    failure::StoreError,
    store::{CursorsToCheck, Filter, SequencePosition, SetAside, State, kept_headers},
};

/// A set-aside message as stored in its node.
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
    stack: Option<String>,
    first_failed_at: DateTime<Utc>,
    last_failed_at: DateTime<Utc>,
}

impl From<Kept> for SetAside {
    fn from(kept: Kept) -> Self {
        Self {
            message: kept.id,
            queue: kept.queue,
            name: kept.name,
            subject: kept.subject,
            place: kept.line.zip(kept.number).map(|(line, number)| SequencePosition { line, number }),
            headers: kept_headers(&kept.headers),
            body: kept.body.value.to_vec(),
            state: State::from_word(&kept.state),
            attempts: kept.attempts,
            due_at: kept.due_at,
            reason: kept.reason,
            stack: kept.stack,
            first_failed_at: kept.first_failed_at,
            last_failed_at: kept.last_failed_at,
        }
    }
}

/// Sets a message aside and replaces an earlier entry for it. Its delay starts now by the clock that also decides when
/// it is over: the service's own clock may be wrong.
pub(super) fn keep(kept: &SetAside) -> Result<Query, StoreError> {
    let headers = serde_json::to_string(&kept.headers).map_err(StoreError::broken)?;
    let statement = "MERGE (kept:SetAside {id: $id})
        ON CREATE SET kept.queue = $queue, kept.name = $name, kept.subject = $subject, kept.headers = $headers,
            kept.line = $line, kept.number = $number, kept.body = $body, kept.first_failed_at = $first_failed_at
        SET kept.state = $state, kept.attempts = $attempts, kept.reason = $reason, kept.stack = $stack,
            kept.last_failed_at = $last_failed_at,
            kept.due_at = CASE $state
                WHEN 'waiting' THEN datetime() + duration.inSeconds($last_failed_at, $due_at) ELSE $due_at END";
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
        .param("stack", kept.stack.clone())
        .param("first_failed_at", kept.first_failed_at)
        .param("last_failed_at", kept.last_failed_at))
}

/// Removes a message that waits for its next attempt.
pub(super) const FORGET: &str = "MATCH (kept:SetAside {id: $id}) SET kept.is_taken = true REMOVE kept.is_taken
    WITH kept WHERE kept.state = 'waiting' DELETE kept";

/// Messages that are due, and messages waiting for a predecessor whose turn has come, in all lines or some.
macro_rules! due {
    ($lines:literal) => {
        concat!(
            "CALL {
                MATCH (kept:SetAside {queue: $queue, state: 'waiting'})
                WHERE kept.due_at <= datetime() AND NOT kept.name IN $except RETURN kept
                UNION ALL ",
            $lines,
            " WHERE kept.number <= line.last + 1 AND NOT kept.name IN $except RETURN kept
            }
            RETURN kept.id AS id ORDER BY kept.due_at LIMIT $limit"
        )
    };
}

/// Checks every message that waits for a predecessor.
const DUE: &str = due!("MATCH (kept:SetAside {queue: $queue, state: 'behind'}) MATCH (line:Line {name: kept.line})");

/// Checks only the next messages of these lines: thousands may wait for a parked one.
const DUE_IN_LINES: &str = due!(
    "UNWIND $lines AS name MATCH (line:Line {name: name})
    MATCH (kept:SetAside {line: name}) USING INDEX kept:SetAside(line, number)
    WHERE kept.number <= line.last + 1 WITH kept, line
    WHERE kept.queue = $queue AND kept.state = 'behind' WITH kept, line"
);

/// The messages that are due.
pub(super) fn due(queue: &str, lines: &CursorsToCheck, except: &[String], limit: i64) -> Query {
    let asked = match lines {
        CursorsToCheck::All => query(DUE),
        CursorsToCheck::These(lines) => query(DUE_IN_LINES).param("lines", lines.clone()),
    };
    asked.param("queue", queue).param("except", except.to_vec()).param("limit", limit)
}

/// The messages that match a filter, as `kept`; the parameters are those of [`given`].
macro_rules! that_fit {
    () => {
        // A message that is being handled may be found after it has lost its properties.
        "MATCH (node:SetAside)
        WITH properties(node) AS kept
        WHERE kept.id IS NOT NULL AND ($id IS NULL OR kept.id = $id) AND ($name IS NULL OR kept.name = $name)
            AND ($subject IS NULL OR kept.subject = $subject) AND ($reason IS NULL OR kept.reason CONTAINS $reason)
            AND ($state IS NULL OR kept.state = $state) AND ($queue IS NULL OR kept.queue = $queue)
            AND ($since IS NULL OR kept.first_failed_at >= $since)
            AND ($until IS NULL OR kept.first_failed_at < $until) AND ($attempts IS NULL OR kept.attempts >= $attempts) "
    };
}

/// The messages that match a filter, oldest first.
pub(super) fn list(filter: &Filter, limit: i64) -> Query {
    let statement = concat!(that_fit!(), "RETURN kept ORDER BY kept.first_failed_at, kept.id LIMIT $limit");
    given(statement, filter, limit)
}

/// Their ids.
pub(super) fn ids(filter: &Filter, limit: i64) -> Query {
    let statement = concat!(that_fit!(), "RETURN kept.id AS id ORDER BY kept.first_failed_at, kept.id LIMIT $limit");
    given(statement, filter, limit)
}

/// Their number by name and reason.
pub(super) fn groups(filter: &Filter, limit: i64) -> Query {
    let statement = concat!(
        that_fit!(),
        "RETURN kept.name AS name, kept.reason AS reason, count(*) AS messages ORDER BY messages DESC, name, reason LIMIT $limit"
    );
    given(statement, filter, limit)
}

/// The parameters of a filter, and the row limit.
fn given(statement: &str, filter: &Filter, limit: i64) -> Query {
    query(statement)
        .param("id", filter.id.map(|id| id.to_string()))
        .param("name", filter.name.clone())
        .param("subject", filter.subject.clone())
        .param("reason", filter.reason.clone())
        .param("state", filter.state.map(|state| state.as_str().to_owned()))
        .param("queue", filter.queue.clone())
        .param("since", filter.since)
        .param("until", filter.until)
        .param("attempts", filter.attempts.map(i64::from))
        .param("limit", limit)
}
