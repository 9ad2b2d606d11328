//! Messages that have to wait, as nodes.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use neo4rs::{BoltBytes, Query, query};
use serde::Deserialize;
use uuid::Uuid;

use crate::{
    failure::StoreError,
    store::{Filter, SetAside, State},
};

/// A message that has to wait, as its node has it.
#[derive(Deserialize)]
pub(super) struct Kept {
    id: Uuid,
    queue: String,
    name: String,
    subject: Option<String>,
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
            kept.body = $body, kept.first_failed_at = $first_failed_at
        SET kept.state = $state, kept.attempts = $attempts, kept.due_at = $due_at, kept.reason = $reason,
            kept.last_failed_at = $last_failed_at";
    Ok(query(statement)
        .param("id", kept.message.to_string())
        .param("queue", kept.queue.as_str())
        .param("name", kept.name.as_str())
        .param("subject", kept.subject.clone())
        .param("headers", headers)
        .param("body", kept.body.as_slice())
        .param("state", kept.state.as_str())
        .param("attempts", i64::from(kept.attempts))
        .param("due_at", kept.due_at)
        .param("reason", kept.reason.as_str())
        .param("first_failed_at", kept.first_failed_at)
        .param("last_failed_at", kept.last_failed_at))
}

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
