//! The envelope of a message: the CloudEvents attributes, as headers.

use contracts::{Contracts, Kind, Message};
use serde_json::{Map, Value, json};

use crate::flow::{askers_of, requests_for};

/// The prefix of each attribute's header name.
const PREFIX: &str = "cloudEvents:";

const ID: &str = "01938a5e-7c1b-7d43-9a55-3f0d2b6c4e18";
const FIRST: &str = "01938a5e-7bf0-7aa1-8c02-6d1e9f4b7a35";
const ACTOR: &str = "7c0f3c1e-3b1f-4f0e-9d0a-5b8f6a1d2c33";
const TIME: &str = "2026-11-01T09:30:00.000000Z";
const DEADLINE: &str = "2026-11-01T09:30:05.000000Z";
const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

struct Attribute {
    name: &'static str,
    schema: Value,
    required: bool,
    example: Value,
}

/// Returns the header name of an attribute.
pub(crate) fn header(attribute: &str) -> String {
    format!("{PREFIX}{attribute}")
}

/// Returns the schema of a message's headers.
pub(crate) fn schema(message: &Message) -> Value {
    let attributes = attributes(message, &Example::default());
    let required: Vec<String> =
        attributes.iter().filter(|attribute| attribute.required).map(|attribute| header(attribute.name)).collect();
    let properties: Map<String, Value> =
        attributes.into_iter().map(|attribute| (header(attribute.name), attribute.schema)).collect();
    json!({ "type": "object", "properties": properties, "required": required })
}

/// Returns the headers of an example, in reading order. The example is masked already.
pub(crate) fn example(contracts: &Contracts, message: &Message, data: &Value) -> Vec<(String, Value)> {
    let known = Example {
        subject: message.subject.as_ref().map(|field| data[field].clone()).unwrap_or_default(),
        asker: asker_of(contracts, message),
        request: requests_for(contracts, &message.name).next().map(|request| request.name.to_string()),
    };
    let attributes = attributes(message, &known).into_iter().filter(|attribute| !attribute.example.is_null());
    attributes.map(|attribute| (header(attribute.name), attribute.example)).collect()
}

/// Returns a caller of a message's owner: preferably one of the services here.
fn asker_of(contracts: &Contracts, message: &Message) -> String {
    let askers = askers_of(contracts, &message.name.owner);
    let service = askers.iter().find(|asker| contracts.services.contains_key(*asker));
    service.or(askers.first()).cloned().unwrap_or_default()
}

/// The values in an example's headers that do not follow from its message.
#[derive(Default)]
struct Example {
    subject: Value,
    asker: String,
    request: Option<String>,
}

fn attributes(message: &Message, example: &Example) -> Vec<Attribute> {
    let mut all = vec![
        required("specversion", json!({ "const": "1.0" }), json!("1.0")),
        required("id", uuid("identifies the message; a repeat has the same id"), json!(ID)),
        kind_of(message, example),
        source_of(message, example),
        required("time", time("the time at which it was written"), json!(TIME)),
    ];
    if message.subject.is_some() {
        all.push(optional("subject", text("the thing that it is about"), example.subject.clone()));
    }
    if matches!(message.kind, Kind::Event | Kind::Job) {
        let number = json!({ "type": "string", "pattern": "^[1-9][0-9]*$", "description": "counts up per subject" });
        all.push(optional("sequence", number, json!("1")));
    }
    all.push(optional("traceparent", text("W3C trace context"), json!(TRACE)));
    all.extend(chain_of(message));
    all.push(optional("actor", uuid("the account on whose behalf"), json!(ACTOR)));
    if message.kind == Kind::Request {
        all.push(optional("deadline", time("the time after which the caller stops waiting, by its clock; the effective limit is the AMQP property expiration"), json!(DEADLINE)));
    }
    all
}

/// Returns the attribute `type`. That of a reply is the type of its request, followed by `.reply`.
fn kind_of(message: &Message, example: &Example) -> Attribute {
    if message.kind == Kind::Reply {
        let shown = example.request.as_ref().map(|request| format!("{request}.reply"));
        return required("type", text("the full name of the request, and .reply"), json!(shown));
    }
    let name = message.name.to_string();
    required("type", json!({ "const": name }), json!(name))
}

/// Returns the attribute `source`: the caller for a request, the owner for other messages.
fn source_of(message: &Message, example: &Example) -> Attribute {
    if message.kind == Kind::Request {
        return required("source", text("the caller, /<service>"), json!(format!("/{}", example.asker)));
    }
    let owner = format!("/{}", message.name.owner);
    required("source", json!({ "const": owner }), json!(owner))
}

/// Returns the correlation and causation attributes. A request starts a chain.
fn chain_of(message: &Message) -> Vec<Attribute> {
    match message.kind {
        Kind::Request => vec![],
        Kind::Reply => vec![
            required("correlationid", uuid("the id of the request"), json!(FIRST)),
            required("causationid", uuid("the id of the request"), json!(FIRST)),
        ],
        Kind::Event | Kind::Job => vec![
            optional("correlationid", uuid("the first message of the chain"), json!(FIRST)),
            optional("causationid", uuid("the message whose handling sent this one"), json!(FIRST)),
        ],
    }
}

fn required(name: &'static str, schema: Value, example: Value) -> Attribute {
    Attribute { name, schema, required: true, example }
}

fn optional(name: &'static str, schema: Value, example: Value) -> Attribute {
    Attribute { name, schema, required: false, example }
}

fn text(description: &str) -> Value {
    json!({ "type": "string", "description": description })
}

fn uuid(description: &str) -> Value {
    json!({ "type": "string", "format": "uuid", "description": description })
}

fn time(description: &str) -> Value {
    json!({ "type": "string", "format": "date-time", "description": description })
}
