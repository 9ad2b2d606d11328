//! Messages: headers, payload, and examples with masked personal data.

use contracts::{Contracts, Kind, Message};
use serde_json::{Map, Value, json};

use super::payload;
use crate::{envelope, mask::masked};

/// The reply to a request without a reply type.
pub(super) const DONE: &str = "done";
/// The reply to a request that fails.
pub(super) const PROBLEM: &str = "problem";

/// Returns a message as a component of the document.
pub(super) fn message(contracts: &Contracts, message: &Message) -> Value {
    let name = message.name.to_string();
    let examples: Vec<Value> = examples(message).map(|data| example(contracts, message, data)).collect();
    let mut made = json!({
        "name": name,
        "title": message.schema["title"].as_str().unwrap_or(&name),
        "summary": text(message),
        "contentType": "application/json",
        "headers": envelope::schema(message),
        "payload": payload::of(message),
        "correlationId": correlation(message.kind),
        "tags": [{ "name": message.name.owner }, { "name": word(message.kind) }],
        "x-kith": { "owner": message.name.owner, "kind": word(message.kind), "version": message.name.version,
            "subject": message.subject, "reply": message.reply },
        "x-schema": format!("../schemas/{}/{}.json", message.name.owner, message.name.key()),
    });
    if !examples.is_empty() {
        made["examples"] = examples.into();
    }
    made
}

/// Returns the examples of a message with personal data masked.
pub(crate) fn examples(message: &Message) -> impl Iterator<Item = Value> {
    let examples = message.schema["examples"].as_array().into_iter().flatten();
    examples.map(|example| masked(example, &message.bundled))
}

/// Returns the kind as a word.
pub(crate) fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Event => "event",
        Kind::Request => "request",
        Kind::Reply => "reply",
        Kind::Job => "job",
    }
}

/// Returns the replies that every service may send besides its own types.
pub(super) fn common_replies() -> Map<String, Value> {
    let by_request = correlation(Kind::Reply);
    let done = json!({
        "name": DONE,
        "title": "Done",
        "summary": "The request succeeded; there is no other result.",
        "contentType": "application/json",
        "correlationId": by_request,
        "payload": { "type": "null" },
        "tags": [{ "name": "reply" }],
    });
    let problem = json!({
        "name": PROBLEM,
        "title": "Problem",
        "summary": "The request was rejected or failed (RFC 9457).",
        "contentType": "application/problem+json",
        "correlationId": by_request,
        "payload": problem(),
        "tags": [{ "name": "reply" }],
    });
    Map::from_iter([(DONE.to_owned(), done), (PROBLEM.to_owned(), problem)])
}

fn problem() -> Value {
    let text = |description: &str| json!({ "type": "string", "description": description });
    let field = json!({
        "type": "object",
        "properties": { "field": text("the field"), "detail": text("what is wrong with it") },
        "required": ["field", "detail"],
    });
    json!({
        "type": "object",
        "properties": {
            "type": text("the type of the problem, urn:kith:problem:email-taken"),
            "title": text("the type, as text"),
            "status": { "type": "integer", "description": "the HTTP status" },
            "detail": text("this occurrence of the problem, and the remedy"),
            "errors": { "type": "array", "items": field, "description": "the invalid fields" },
            "retry_after": { "type": "integer", "description": "seconds to wait before trying again" },
        },
        "required": ["type", "title", "status", "detail"],
    })
}

/// Returns the correlation id: a reply has the id of its request, every other message that of the first in its chain.
fn correlation(kind: Kind) -> Value {
    let (attribute, description) = match kind {
        Kind::Request => ("id", "the reply carries it as its correlation id"),
        Kind::Reply => ("correlationid", "the id of the request that it answers"),
        Kind::Event | Kind::Job => ("correlationid", "the id of the first message of the chain"),
    };
    json!({ "location": format!("$message.header#/{}", envelope::header(attribute)), "description": description })
}

fn example(contracts: &Contracts, message: &Message, data: Value) -> Value {
    let headers: Map<String, Value> = envelope::example(contracts, message, &data).into_iter().collect();
    json!({ "name": "masked", "summary": "Personal data is masked.", "headers": headers, "payload": data })
}

/// Returns the description in a message's schema.
pub(super) fn text(message: &Message) -> &str {
    message.schema["description"].as_str().unwrap_or_default()
}
