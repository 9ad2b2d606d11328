//! Set-aside messages in Elasticsearch, in a separate index.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    bulk::{self, Seen, Write},
    client::Client,
    owners::hits,
};
use crate::{
    failure::StoreError,
    store::{Counts, Filter, SetAside, State, kept_headers},
};

/// The index's name.
pub const SET_ASIDE: &str = "set-aside";

/// The number of messages read in one call; each may be a few hundred kilobytes.
const PAGE: i64 = 100;

/// The number of ids read in one call.
const PAGE_OF_IDS: i64 = 5000;

/// The set-aside messages.
pub struct Waiting<'a> {
    /// The client of the server.
    pub client: &'a Client,
    /// The alias of their index.
    pub index: String,
}

#[derive(Serialize, Deserialize)]
struct Document {
    message: Uuid,
    queue: String,
    name: String,
    subject: Option<String>,
    headers: Value,
    body: String,
    state: State,
    attempts: u32,
    due_at: DateTime<Utc>,
    reason: String,
    #[serde(default)]
    stack: Option<String>,
    first_failed_at: DateTime<Utc>,
    last_failed_at: DateTime<Utc>,
}

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

    /// Finds a message and the state of its document.
    pub async fn find(&self, message: Uuid) -> Result<Option<(SetAside, Seen)>, StoreError> {
        match self.client.get(&format!("{}/_doc/{message}", self.index)).await {
            Ok(answer) => Ok(Some((read(&answer["_source"])?, Seen::in_answer(&answer)))),
            Err(error) if error.has_status(404) && !error.is("index_not_found_exception") => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Finds a message that is due by the server's clock, and the state of its document.
    pub async fn find_due(&self, message: Uuid) -> Result<Option<(SetAside, Seen)>, StoreError> {
        let mut conditions = is_due();
        conditions.push(json!({ "ids": { "values": [message] } }));
        let asked = json!({ "seq_no_primary_term": true, "query": { "bool": { "filter": conditions } } });
        let answer = self.search(asked).await?;
        let found = hits(&answer).first().map(|hit| Ok((read(&hit["_source"])?, Seen::in_answer(hit))));
        found.transpose()
    }

    /// Removes a message that waits for its next attempt, unless it has changed in the meantime.
    pub async fn forget(&self, message: Uuid) -> Result<(), StoreError> {
        let found = self.find(message).await?;
        let Some((_, seen)) = found.filter(|(found, _)| found.state == State::Waiting) else { return Ok(()) };
        bulk::send(self.client, vec![Write::removal(&self.index, message, &seen)]).await
    }

    /// The messages of a queue that are due, longest overdue first. Leaves out messages whose names are in `except`.
    pub async fn due(&self, queue: &str, except: &[String], limit: i64) -> Result<Vec<Uuid>, StoreError> {
        let mut conditions = is_due();
        conditions.push(json!({ "term": { "queue": queue } }));
        let query = json!({ "bool": { "filter": conditions, "must_not": { "terms": { "name": except } } } });
        let asked = json!({ "size": limit, "_source": false, "sort": "due_at", "query": query });
        let answer = self.search(asked).await?;
        Ok(hits(&answer).iter().filter_map(|hit| hit["_id"].as_str()?.parse().ok()).collect())
    }

    /// The messages that match a filter, oldest first.
    pub async fn list(&self, filter: &Filter, limit: i64) -> Result<Vec<SetAside>, StoreError> {
        self.pages(json!({ "query": fits(filter) }), PAGE, limit, |hit| read(&hit["_source"])).await
    }

    /// Their ids.
    pub async fn ids(&self, filter: &Filter, limit: i64) -> Result<Vec<Uuid>, StoreError> {
        let asked = json!({ "query": fits(filter), "_source": false });
        self.pages(asked, PAGE_OF_IDS, limit, id_of).await
    }

    /// All results of a search, oldest first, read page by page.
    async fn pages<T>(
        &self,
        mut asked: Value,
        at_once: i64,
        limit: i64,
        read: impl Fn(&Value) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut found = Vec::new();
        asked["sort"] = json!(["first_failed_at", "message"]);
        loop {
            let rest = limit - i64::try_from(found.len()).unwrap_or(limit);
            if rest <= 0 {
                return Ok(found);
            }
            asked["size"] = json!(rest.min(at_once));
            let answer = self.search(asked.clone()).await?;
            let page = hits(&answer);
            let Some(last) = page.last() else { return Ok(found) };
            for hit in page {
                found.push(read(hit)?);
            }
            asked["search_after"] = last["sort"].clone();
        }
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

    /// Counts the messages by state.
    pub async fn count(&self) -> Result<Counts, StoreError> {
        let in_state = |state: State| json!({ "filter": { "term": { "state": state } } });
        let groups = json!({ "waiting": in_state(State::Waiting), "parked": in_state(State::Parked) });
        let answer = self.search(json!({ "size": 0, "aggs": groups })).await?;
        let number = |group: &str| answer["aggregations"][group]["doc_count"].as_i64().unwrap_or_default();
        Ok(Counts { waiting: number("waiting"), parked: number("parked"), ..Counts::default() })
    }

    /// Applies an action to the parked ones among these messages.
    async fn change(&self, action: &str, messages: &[Uuid], mut order: Value) -> Result<Value, StoreError> {
        self.client.refresh(&self.index).await?;
        order["query"] = parked_among(messages);
        Ok(self.client.post(&format!("{}/{action}?conflicts=proceed&refresh=true", self.index), order).await?)
    }

    pub(super) async fn search(&self, asked: Value) -> Result<Value, StoreError> {
        self.client.refresh(&self.index).await?;
        Ok(self.client.post(&format!("{}/_search?allow_partial_search_results=false", self.index), asked).await?)
    }
}

/// The conditions of a message that is due by the server's clock.
fn is_due() -> Vec<Value> {
    vec![json!({ "term": { "state": State::Waiting } }), json!({ "range": { "due_at": { "lte": "now" } } })]
}

pub(super) fn parked_among(messages: &[Uuid]) -> Value {
    json!({ "bool": { "filter": [{ "ids": { "values": messages } }, { "term": { "state": State::Parked } }] } })
}

fn id_of(hit: &Value) -> Result<Uuid, StoreError> {
    hit["_id"].as_str().unwrap_or_default().parse().map_err(StoreError::broken)
}

pub(super) fn fits(filter: &Filter) -> Value {
    let contains = |text: &String| {
        let text = text.replace('\\', "\\\\").replace('*', "\\*").replace('?', "\\?");
        json!({ "wildcard": { "reason": { "value": format!("*{text}*") } } })
    };
    let conditions = [
        filter.id.map(|id| json!({ "term": { "message": id } })),
        filter.name.as_ref().map(|name| json!({ "term": { "name": name } })),
        filter.subject.as_ref().map(|subject| json!({ "term": { "subject": subject } })),
        filter.reason.as_ref().map(contains),
        filter.state.map(|state| json!({ "term": { "state": state } })),
        filter.queue.as_ref().map(|queue| json!({ "term": { "queue": queue } })),
        filter.since.map(|since| json!({ "range": { "first_failed_at": { "gte": since } } })),
        filter.until.map(|until| json!({ "range": { "first_failed_at": { "lt": until } } })),
        filter.attempts.map(|attempts| json!({ "range": { "attempts": { "gte": attempts } } })),
    ];
    json!({ "bool": { "filter": conditions.into_iter().flatten().collect::<Vec<_>>() } })
}

fn read(source: &Value) -> Result<SetAside, StoreError> {
    let document: Document = serde_json::from_value(source.clone()).map_err(StoreError::broken)?;
    Ok(document.into())
}

impl From<&SetAside> for Document {
    fn from(kept: &SetAside) -> Self {
        let kept = kept.clone();
        Self {
            message: kept.message,
            queue: kept.queue,
            name: kept.name,
            subject: kept.subject,
            headers: json!(kept.headers),
            body: STANDARD.encode(&kept.body),
            state: kept.state,
            attempts: kept.attempts,
            due_at: kept.due_at,
            reason: kept.reason,
            stack: kept.stack,
            first_failed_at: kept.first_failed_at,
            last_failed_at: kept.last_failed_at,
        }
    }
}

impl From<Document> for SetAside {
    fn from(kept: Document) -> Self {
        Self {
            message: kept.message,
            queue: kept.queue,
            name: kept.name,
            subject: kept.subject,
            headers: kept_headers(&kept.headers.to_string()),
            // What is not base64 stays as it is: the attempt parks it.
            body: STANDARD.decode(&kept.body).unwrap_or_else(|_| kept.body.into_bytes()),
            state: kept.state,
            attempts: kept.attempts,
            due_at: kept.due_at,
            reason: kept.reason,
            stack: kept.stack,
            first_failed_at: kept.first_failed_at,
            last_failed_at: kept.last_failed_at,
            place: None,
        }
    }
}
