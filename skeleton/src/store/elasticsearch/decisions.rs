//! Decisions about parked messages. There is no transaction, so the audit trail is written before the change: a change
//! without an entry does not occur.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Elasticsearch,
    bulk::{self, Write},
    owners::hits,
    parked::About,
};
use crate::{
    failure::StoreError,
    store::{Act, Decision, Decisions, Filter, Fingerprint, Group, SetAside, Signed, State},
};

/// The index's name.
pub const DECISIONS: &str = "decisions";

/// The number of messages decided about in one round of calls.
const AT_ONCE: usize = 1000;

impl Elasticsearch {
    /// Records a decision about messages.
    async fn note(
        &self,
        act: Act,
        messages: Vec<About>,
        signed: &Signed,
        data_before: Option<&Fingerprint>,
    ) -> Result<(), StoreError> {
        let (index, decided_at) = (self.names.alias(DECISIONS), Utc::now());
        let write = |about: About| {
            let decision = json!(Decision {
                decided_at,
                decided_by: signed.by().to_owned(),
                act,
                note: signed.note().map(str::to_owned),
                message: about.message,
                queue: about.queue,
                name: about.name,
                subject: about.subject,
                reason: about.reason,
                data_before: data_before.cloned(),
            });
            let id = Uuid::now_v7();
            Write::plain(&index, id, with_id(decision, id))
        };
        bulk::send(&self.client, messages.into_iter().map(write).collect()).await
    }

    /// Records a decision about the parked ones among these messages. Returns their ids.
    async fn note_parked(&self, act: Act, messages: &[Uuid], signed: &Signed) -> Result<Vec<Uuid>, StoreError> {
        let parked = self.waiting().parked(messages).await?;
        let ids = parked.iter().map(|about| about.message).collect();
        self.note(act, parked, signed, None).await?;
        Ok(ids)
    }

    async fn search_decisions(&self, asked: Value) -> Result<Value, StoreError> {
        let index = self.names.alias(DECISIONS);
        self.client.refresh(&index).await?;
        Ok(self.client.post(&format!("{index}/_search?allow_partial_search_results=false"), asked).await?)
    }
}

/// Decisions of the same time are ordered by their ids.
fn with_id(mut decision: Value, id: Uuid) -> Value {
    decision["decision"] = json!(id);
    decision
}

impl Decisions for Elasticsearch {
    async fn ids_of(&self, filter: &Filter, limit: i64) -> Result<Vec<Uuid>, StoreError> {
        self.waiting().ids(filter, limit).await
    }

    async fn groups_of(&self, filter: &Filter, limit: i64) -> Result<Vec<Group>, StoreError> {
        self.waiting().groups(filter, limit).await
    }

    async fn redrive(&self, messages: &[Uuid], signed: &Signed) -> Result<u64, StoreError> {
        let mut redriven = 0;
        for some in messages.chunks(AT_ONCE) {
            let noted = self.note_parked(Act::Redriven, some, signed).await?;
            redriven += self.waiting().redrive(&noted).await?;
        }
        Ok(redriven)
    }

    async fn drop_parked(&self, messages: &[Uuid], signed: &Signed) -> Result<u64, StoreError> {
        let mut dropped = 0;
        for some in messages.chunks(AT_ONCE) {
            let noted = self.note_parked(Act::Dropped, some, signed).await?;
            dropped += self.waiting().drop_parked(&noted).await?;
        }
        Ok(dropped)
    }

    async fn edit(&self, seen: &SetAside, data: &[u8], signed: &Signed) -> Result<bool, StoreError> {
        let found = self.waiting().find(seen.message).await?;
        let as_seen = |found: &SetAside| found.state == State::Parked && found.body == seen.body;
        let Some((found, version)) = found.filter(|(found, _)| as_seen(found)) else { return Ok(false) };
        let before = Fingerprint::of(&found.body);
        let SetAside { message, queue, name, subject, reason, .. } = found;
        self.note(Act::Edited, vec![About { message, queue, name, subject, reason }], signed, Some(&before)).await?;
        self.waiting().replace_data(message, &version, data).await
    }

    async fn trail(&self, message: Option<Uuid>, limit: i64) -> Result<Vec<Decision>, StoreError> {
        let conditions: Vec<Value> = message.map(|id| json!({ "term": { "message": id } })).into_iter().collect();
        let asked = json!({
            "size": limit.min(10_000),
            "sort": [{ "decided_at": "desc" }, { "decision": "desc" }],
            "query": { "bool": { "filter": conditions } },
        });
        let answer = self.search_decisions(asked).await?;
        let read = |hit: &Value| serde_json::from_value(hit["_source"].clone()).map_err(StoreError::broken);
        hits(&answer).iter().map(read).collect()
    }

    async fn forget_decisions(&self, before: DateTime<Utc>, limit: i64) -> Result<u64, StoreError> {
        let index = self.names.alias(DECISIONS);
        self.client.refresh(&index).await?;
        let old = json!({ "query": { "range": { "decided_at": { "lt": before } } } });
        let path = format!("{index}/_delete_by_query?conflicts=proceed&refresh=true&max_docs={limit}");
        Ok(self.client.post(&path, old).await?["deleted"].as_u64().unwrap_or_default())
    }
}
