//! Inserts, changes and removes messages.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Waiting, document::Document, parked_among};
use crate::{
    failure::StoreError,
    store::{
        SetAside, State,
        elasticsearch::bulk::{self, Write},
    },
};

/// Updates a message. Its delay starts now by the server's clock, which also decides when it is over: the service's own
/// clock may be wrong.
const KEEP: &str = "for (change in params.changes.entrySet()) { ctx._source[change.getKey()] = change.getValue() }
    if (params.wait_ms != null) { ctx._source.due_at = Instant.ofEpochMilli(ctx._now + params.wait_ms).toString() }";

impl Waiting<'_> {
    /// Inserts a message. If it exists, only its state changes.
    pub async fn keep(&self, message: &SetAside) -> Result<(), StoreError> {
        let document = json!(Document::from(message));
        let changed = ["state", "attempts", "due_at", "reason", "stack", "last_failed_at"];
        let changes: BTreeMap<_, _> = changed.iter().map(|field| (*field, &document[*field])).collect();
        let wait = (message.due_at - message.last_failed_at).num_milliseconds();
        let wait = (message.state == State::Waiting).then_some(wait);
        let script = json!({ "source": KEEP, "params": { "changes": changes, "wait_ms": wait } });
        let path = format!("{}/_update/{}?retry_on_conflict=5&require_alias=true", self.index, message.message);
        let update = json!({ "scripted_upsert": true, "script": script, "upsert": document });
        self.client.post(&path, update).await?;
        Ok(())
    }

    /// Removes a message that waits for its next attempt, unless it has changed in the meantime.
    pub async fn forget(&self, message: Uuid) -> Result<(), StoreError> {
        let found = self.find(message).await?;
        let Some((_, seen)) = found.filter(|(found, _)| found.state == State::Waiting) else { return Ok(()) };
        bulk::send(self.client, vec![Write::removal(&self.index, message, &seen)]).await
    }

    /// Redrives parked messages. They are due at once by any clock: this script cannot read the server's.
    pub async fn redrive(&self, messages: &[Uuid]) -> Result<u64, StoreError> {
        let script = json!({
            "source": "ctx._source.state = params.state; ctx._source.attempts = 0; ctx._source.due_at = params.due_at",
            "params": { "state": State::Waiting, "due_at": DateTime::<Utc>::UNIX_EPOCH },
        });
        let answer = self.change("_update_by_query", messages, json!({ "script": script })).await?;
        Ok(answer["updated"].as_u64().unwrap_or_default())
    }

    /// Drops parked messages.
    pub async fn drop_parked(&self, messages: &[Uuid]) -> Result<u64, StoreError> {
        let answer = self.change("_delete_by_query", messages, json!({})).await?;
        Ok(answer["deleted"].as_u64().unwrap_or_default())
    }

    /// Applies an action to the parked ones among these messages.
    async fn change(&self, action: &str, messages: &[Uuid], mut order: Value) -> Result<Value, StoreError> {
        self.client.refresh(&self.index).await?;
        order["query"] = parked_among(messages);
        Ok(self.client.post(&format!("{}/{action}?conflicts=proceed&refresh=true", self.index), order).await?)
    }
}
