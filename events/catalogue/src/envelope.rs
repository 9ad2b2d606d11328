//! The envelope of a message: its CloudEvents attributes, as headers.

use contracts::{Contracts, Kind, Message};
use serde_json::{Map, Value, json};

use crate::flow::{askers_of, requests_for};

/// What comes before every attribute's name in a header.
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

/// The header that carries an attribute.
pub(crate) fn header(attribute: &str) -> String {
    format!("{PREFIX}{attribute}")
}

/// The schema of a message's headers.
pub(crate) fn schema(message: &Message) -> Value {
    let attributes = attributes(message, &Example::default());
    let required: Vec<String> =
        attributes.iter().filter(|attribute| attribute.required).map(|attribute| header(attribute.name)).collect();
    let properties: Map<String, Value> =
        attributes.into_iter().map(|attribute| (header(attribute.name), attribute.schema)).collect();
    json!({ "type": "object", "properties": properties, "required": required })
}

/// Headers as they go with an example, in the order that people read them in. The example is masked already.
pub(crate) fn example(contracts: &Contracts, message: &Message, data: &Value) -> Vec<(String, Value)> {
    let known = Example {
        subject: message.subject.as_ref().map(|field| data[field].clone()).unwrap_or_default(),
        asker: asker_of(contracts, message),
        request: requests_for(contracts, &message.name).next().map(|request| request.name.to_string()),
    };
    let attributes = attributes(message, &known).into_iter().filter(|attribute| !attribute.example.is_null());
    attributes.map(|attribute| (header(attribute.name), attribute.example)).collect()
}

/// One who asks for a message's owner: one of the services here, if there is one.
fn asker_of(contracts: &Contracts, message: &Message) -> String {
    let askers = askers_of(contracts, &message.name.owner);
    let service = askers.iter().find(|asker| contracts.services.contains_key(*asker));
    service.or(askers.first()).cloned().unwrap_or_default()
}

/// What an example's headers say beside what its message alone tells.
#[derive(Default)]
struct Example {
    subject: Value,
    asker: String,
    request: Option<String>,
}

fn attributes(message: &Message, example: &Example) -> Vec<Attribute> {
    let mut all = vec![
        required("specversion", json!({ "const": "1.0" }), json!("1.0")),
        required("id", uuid("tells this message from every other; the same again is the same message"), json!(ID)),
        kind_of(message, example),
        source_of(message, example),
        required("time", time("when it was written"), json!(TIME)),
    ];
    if message.subject.is_some() {
        all.push(optional("subject", text("what it is about"), example.subject.clone()));
    }
    if matches!(message.kind, Kind::Event | Kind::Job) {
        let number = json!({ "type": "string", "pattern": "^[1-9][0-9]*$", "description": "counts up per subject" });
        all.push(optional("sequence", number, json!("1")));
    }
    all.push(optional("traceparent", text("W3C trace context"), json!(TRACE)));
    all.extend(chain_of(message));
    all.push(optional("actor", uuid("the account on whose behalf"), json!(ACTOR)));
    if message.kind == Kind::Request {
        all.push(optional("deadline", time("when the caller stops waiting, by its own clock; the limit that counts is the AMQP property expiration"), json!(DEADLINE)));
    }
    all
}

/// A reply is typed after the request that it answers.
fn kind_of(message: &Message, example: &Example) -> Attribute {
    if message.kind == Kind::Reply {
        let shown = example.request.as_ref().map(|request| format!("{request}.reply"));
        return required("type", text("the full name of the request, and .reply"), json!(shown));
    }
    let name = message.name.to_string();
    required("type", json!({ "const": name }), json!(name))
}

/// A request comes from whoever asks, everything else from its owner.
fn source_of(message: &Message, example: &Example) -> Attribute {
    if message.kind == Kind::Request {
        return required("source", text("who asks, /<service>"), json!(format!("/{}", example.asker)));
    }
    let owner = format!("/{}", message.name.owner);
    required("source", json!({ "const": owner }), json!(owner))
}

/// What a message follows from. A request begins a chain.
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
