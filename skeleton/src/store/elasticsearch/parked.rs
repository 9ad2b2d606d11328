//! Parked messages: queries about them, and changes by a decision.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    bulk::Seen,
    owners::hits,
    set_aside::{Waiting, fits, parked_among},
};
use crate::{
    failure::StoreError,
    store::{Filter, Group},
};

/// A message to decide about.
#[derive(Deserialize)]
pub struct About {
    /// Its id.
    pub message: Uuid,
    /// Its queue.
    pub queue: String,
    /// Its name.
    pub name: String,
    /// Its subject.
    pub subject: Option<String>,
    /// The reason of its last failure.
    pub reason: String,
}

impl Waiting<'_> {
    /// Counts the messages by name and reason, the largest group first. Exact if no name has more than `limit` reasons.
    pub async fn groups(&self, filter: &Filter, limit: i64) -> Result<Vec<Group>, StoreError> {
        let reasons = json!({ "terms": { "field": "reason", "missing": "", "size": limit } });
        let names = json!({ "terms": { "field": "name", "size": limit }, "aggs": { "reasons": reasons } });
        let answer = self.search(json!({ "size": 0, "query": fits(filter), "aggs": { "names": names } })).await?;
        let mut groups: Vec<Group> = buckets(&answer["aggregations"]["names"]).flat_map(groups_of_name).collect();
        groups.sort_by(|one, other| {
            other.messages.cmp(&one.messages).then_with(|| (&one.name, &one.reason).cmp(&(&other.name, &other.reason)))
        });
        groups.truncate(usize::try_from(limit).unwrap_or_default());
        Ok(groups)
    }

    /// The parked ones among these messages, without their data; at most as many as the server returns at once.
    pub async fn parked(&self, messages: &[Uuid]) -> Result<Vec<About>, StoreError> {
        let asked = json!({
            "size": messages.len(),
            "_source": ["message", "queue", "name", "subject", "reason"],
            "query": parked_among(messages),
        });
        let answer = self.search(asked).await?;
        let about = |hit: &Value| serde_json::from_value(hit["_source"].clone()).map_err(StoreError::broken);
        hits(&answer).iter().map(about).collect()
    }

    /// Replaces the data of a message, unless it has changed since it was read.
    pub async fn replace_data(&self, message: Uuid, seen: &Seen, data: &[u8]) -> Result<bool, StoreError> {
        let path = format!("{}/_update/{message}?require_alias=true&{}", self.index, seen.as_condition());
        match self.client.post(&path, json!({ "doc": { "body": STANDARD.encode(data) } })).await {
            Ok(_) => Ok(true),
            Err(error) if error.has_status(409) || error.has_status(404) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

fn buckets(groups: &Value) -> impl Iterator<Item = &Value> {
    groups["buckets"].as_array().into_iter().flatten()
}

fn groups_of_name(name: &Value) -> impl Iterator<Item = Group> {
    let text = |bucket: &Value| bucket["key"].as_str().unwrap_or_default().to_owned();
    buckets(&name["reasons"]).map(move |reason| Group {
        name: text(name),
        reason: text(reason),
        messages: reason["doc_count"].as_i64().unwrap_or_default(),
    })
}
