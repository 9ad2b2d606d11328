//! Parts of queries.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    failure::StoreError,
    store::{Filter, State},
};

/// The conditions of a message that is due by the server's clock.
pub(super) fn is_due() -> Vec<Value> {
    vec![json!({ "term": { "state": State::Waiting } }), json!({ "range": { "due_at": { "lte": "now" } } })]
}

pub(in crate::store::elasticsearch) fn parked_among(messages: &[Uuid]) -> Value {
    json!({ "bool": { "filter": [{ "ids": { "values": messages } }, { "term": { "state": State::Parked } }] } })
}

pub(super) fn id_of(hit: &Value) -> Result<Uuid, StoreError> {
    hit["_id"].as_str().unwrap_or_default().parse().map_err(StoreError::broken)
}

pub(in crate::store::elasticsearch) fn fits(filter: &Filter) -> Value {
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
