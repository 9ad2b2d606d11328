//! The CloudEvents project's own test data, where it concerns the envelope.
//!
//! It is not part of the repository: `KITH_TEST_DATA` names its folder. Without it, the tests are reported as skipped.

#![allow(clippy::unwrap_used, reason = "an unexpected value should fail the test")]

#[path = "support/test_data.rs"]
mod test_data;

use std::collections::{BTreeMap, BTreeSet};

use events::{Envelope, EnvelopeError, TraceParent};
use serde_json::{Map, Value};
use uuid::Uuid;

fn material(file: &str) -> Option<Value> {
    let text = test_data::read(&format!("contracts/cloudevents/{file}"))?;
    Some(serde_json::from_str(&text).unwrap())
}

/// Returns the events among the examples of the specification; two examples are parts of other formats.
fn spec_examples() -> Option<Vec<Map<String, Value>>> {
    let examples = material("spec-examples.json")?;
    let events = examples.as_array().unwrap().iter().filter_map(|example| example["event"].as_object().cloned());
    Some(events.collect())
}

/// Returns the headers of an event in binary mode. In the JSON format, an attribute that is null counts as not set.
fn headers_of(event: &Map<String, Value>) -> BTreeMap<String, String> {
    let attributes = event.iter().filter(|(name, value)| !value.is_null() && !name.starts_with("data"));
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    attributes.map(|(name, value)| (format!("cloudEvents:{name}"), text(value))).collect()
}

fn read(headers: &BTreeMap<String, String>) -> Result<Envelope, EnvelopeError> {
    Envelope::from_headers(headers.iter().map(|(name, value)| (name.as_str(), value.as_str())))
}

fn envelope() -> Envelope {
    Envelope {
        id: Uuid::from_u128(7),
        name: "contacts.contact-added.v1".to_owned(),
        source: "/contacts".to_owned(),
        time: "2026-11-01T09:30:00.000001Z".parse().unwrap(),
        subject: Some("s".to_owned()),
        sequence: Some(3),
        trace: Some(TraceParent { trace_id: 1, span_id: 2, sampled: true }),
        correlation_id: Some(Uuid::from_u128(8)),
        causation_id: Some(Uuid::from_u128(9)),
        actor: Some(Uuid::from_u128(10)),
        deadline: Some("2026-11-01T09:30:05Z".parse().unwrap()),
    }
}

#[test]
fn what_an_envelope_writes_is_a_cloud_event_by_the_specifications_schema() {
    let Some(schema) = material("cloudevents.schema.json") else { return };
    let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
    let bare = Envelope { subject: None, sequence: None, trace: None, actor: None, ..envelope() };

    for envelope in [envelope(), bare] {
        let written: Map<String, Value> = envelope
            .to_headers()
            .into_iter()
            .map(|(name, value)| (name.strip_prefix("cloudEvents:").unwrap().to_owned(), Value::String(value)))
            .collect();

        // The rule for attribute names is in the text of the specification, not in its schema.
        assert!(written.keys().all(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())));
        if let Err(error) = validator.validate(&Value::Object(written)) {
            panic!("{error} at {}", error.instance_path());
        }
    }
}

#[test]
fn extensions_of_others_are_no_obstacle() {
    let Some(examples) = spec_examples() else { return };
    for example in examples {
        // Adds the attributes that Kith requires to the example; its other attributes stay.
        let mut headers = headers_of(&example);
        let own = [("id", Uuid::from_u128(7).to_string()), ("time", "2018-04-05T17:31:00Z".to_owned())];
        headers.extend(own.map(|(name, value)| (format!("cloudEvents:{name}"), value)));
        let underscored = headers.iter().map(|(name, value)| (name.replacen(':', "_", 1), value.clone())).collect();

        for headers in [&headers, &underscored] {
            let envelope = read(headers).unwrap();
            assert_eq!(envelope.name, example["type"]);
            assert_eq!(envelope.source, example["source"]);
            assert_eq!(envelope.subject, None);
        }
    }
}

#[test]
fn an_id_of_the_specification_is_read_as_the_same_uuid_each_time_and_as_another_than_its_neighbours() {
    let Some(examples) = spec_examples() else { return };
    let id_of = |example: &Map<String, Value>| {
        let mut headers = headers_of(example);
        headers.insert("cloudEvents:time".to_owned(), "2018-04-05T17:31:00Z".to_owned());
        read(&headers).unwrap().id
    };

    let identities: BTreeSet<_> = examples.iter().map(|it| (it["source"].to_string(), it["id"].to_string())).collect();
    let read: BTreeSet<Uuid> = examples.iter().map(id_of).collect();

    assert_eq!(read.len(), identities.len());
    assert_eq!(read, examples.iter().map(id_of).collect());
}

#[test]
fn with_a_uuid_only_a_missing_time_is_refused() {
    let Some(examples) = spec_examples() else { return };
    let refused_for = |example: &Map<String, Value>| {
        let mut headers = headers_of(example);
        headers.insert("cloudEvents:id".to_owned(), Uuid::from_u128(7).to_string());
        read(&headers).err()
    };

    for example in &examples {
        let expected = (!example.contains_key("time")).then_some(EnvelopeError::Missing("time"));
        assert_eq!(refused_for(example), expected, "{}", example["id"]);
        let timed = example.clone().into_iter().chain([("time".to_owned(), "2018-04-05T17:31:00Z".into())]).collect();
        assert_eq!(refused_for(&timed), None, "{}", example["id"]);
    }
}
