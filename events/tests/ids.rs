//! Ids that are not UUIDs: the test vectors that the Rust, Python and TypeScript readers of the envelope share.

#![allow(clippy::unwrap_used, reason = "an unexpected value should fail the test")]

use events::Envelope;
use serde::Deserialize;
use uuid::Uuid;

/// The UUID that the text of an attribute is read as. Without one, the message is refused.
#[derive(Deserialize)]
struct Vector {
    attribute: String,
    source: String,
    text: String,
    uuid: Option<Uuid>,
}

#[test]
fn an_id_that_is_not_a_uuid_is_read_as_the_same_uuid_in_every_language() {
    let vectors: Vec<Vector> = serde_json::from_str(include_str!("vectors/ids.json")).unwrap();
    assert!(vectors.len() > 60);

    for Vector { attribute, source, text, uuid } in vectors {
        let name = format!("cloudEvents:{attribute}");
        let mut headers = vec![
            ("cloudEvents:specversion", "1.0"),
            ("cloudEvents:type", "contacts.contact-added.v1"),
            ("cloudEvents:time", "2026-11-01T09:30:00Z"),
            ("cloudEvents:source", &source),
            (&name, &text),
        ];
        if attribute != "id" {
            headers.push(("cloudEvents:id", "00000000-0000-0000-0000-000000000007"));
        }

        let read = Envelope::from_headers(headers);

        let found = read.as_ref().ok().and_then(|envelope| match attribute.as_str() {
            "id" => Some(envelope.id),
            "correlationid" => envelope.correlation_id,
            "causationid" => envelope.causation_id,
            "actor" => envelope.actor,
            _ => panic!("unknown attribute {attribute}"),
        });
        assert_eq!((read.is_ok(), found), (uuid.is_some(), uuid), "{attribute} {text:?} of {source}: {read:?}");
    }
}
