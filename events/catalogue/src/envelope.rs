//! The envelope of a message: its CloudEvents attributes, as headers.

use contracts::{Kind, Message, MessageName};
use serde_json::{Map, Value, json};

/// What comes before every attribute's name in a header.
const PREFIX: &str = "cloudEvents:";

const UUID: &str = "01938a5e-7c1b-7d43-9a55-3f0d2b6c4e18";
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
    let attributes = attributes(message, &Value::Null, None);
    let required: Vec<String> =
        attributes.iter().filter(|attribute| attribute.required).map(|attribute| header(attribute.name)).collect();
    let properties: Map<String, Value> =
        attributes.into_iter().map(|attribute| (header(attribute.name), attribute.schema)).collect();
    json!({ "type": "object", "properties": properties, "required": required })
}

/// Headers as they go with an example, in the order that people read them in. The example is masked already; a reply is
/// shown as the answer to a request.
pub(crate) fn example(message: &Message, data: &Value, request: Option<&MessageName>) -> Vec<(String, Value)> {
    let attributes = attributes(message, data, request).into_iter().filter(|attribute| !attribute.example.is_null());
    attributes.map(|attribute| (header(attribute.name), attribute.example)).collect()
}

fn attributes(message: &Message, data: &Value, request: Option<&MessageName>) -> Vec<Attribute> {
    let name = message.name.to_string();
    let owner = format!("/{}", message.name.owner);
    let (kind, sender) = match message.kind {
        // A reply is typed after the request that it answers, and a request comes from whoever asks.
        Kind::Reply => (text("the full name of the request, and .reply"), json!({ "const": owner })),
        Kind::Request => (json!({ "const": name }), text("the service that asks, /gateway")),
        Kind::Event | Kind::Job => (json!({ "const": name }), json!({ "const": owner })),
    };
    let (sent_as, sent_by) = match message.kind {
        Kind::Reply => (request.map(|request| format!("{request}.reply")).unwrap_or_default(), owner),
        Kind::Request => (name, "/gateway".to_owned()),
        Kind::Event | Kind::Job => (name, owner),
    };
    let subject = message.subject.as_ref().map(|field| data[field].clone()).unwrap_or_default();
    let first = json!({ "type": "string", "format": "uuid", "description": "the first message of the chain" });
    let answered = json!({ "type": "string", "format": "uuid", "description": "the id of the request" });
    let is_reply = message.kind == Kind::Reply;
    let mut all = vec![
        required("specversion", json!({ "const": "1.0" }), json!("1.0")),
        required("id", uuid("tells this message from every other; the same again is the same message"), json!(UUID)),
        required("type", kind, json!(sent_as)),
        required("source", sender, json!(sent_by)),
        required("time", time("when it was written"), json!(TIME)),
    ];
    if message.subject.is_some() {
        all.push(optional("subject", text("what it is about"), subject));
    }
    if matches!(message.kind, Kind::Event | Kind::Job) {
        let number = json!({ "type": "string", "pattern": "^[1-9][0-9]*$", "description": "counts up per subject" });
        all.push(optional("sequence", number, json!("1")));
    }
    all.extend([
        optional("traceparent", text("W3C trace context"), json!(TRACE)),
        Attribute {
            required: is_reply,
            ..optional("correlationid", if is_reply { answered } else { first }, json!(FIRST))
        },
        optional("causationid", uuid("the message whose handling sent this one"), json!(FIRST)),
        optional("actor", uuid("the account on whose behalf"), json!(ACTOR)),
    ]);
    if message.kind == Kind::Request {
        all.push(optional("deadline", time("when the one who asks stops waiting"), json!(DEADLINE)));
    }
    all
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
