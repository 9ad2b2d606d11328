//! Checks of a package, for its own test.

use serde_json::{Value, json};

use crate::{
    Validator,
    catalogue::{Entry, Package},
    versions::{beside, is_published_beside, older_than, read_as},
};

/// Checks that schemas, types, examples and versions of a package agree.
///
/// # Panics
/// If they do not, with the message and the reason.
pub fn check(package: &Package) {
    for entry in package.messages {
        schema_says_what_the_message_means(entry);
        examples_fit(entry);
        every_field_is_in_an_example(entry);
        a_missing_required_field_is_refused(entry);
        unknown_fields_are_ignored(entry);
        older_versions_are_read(entry);
        versions_published_beside_fit(entry);
    }
}

fn schema_of(entry: &Entry) -> Value {
    serde_json::from_str(entry.schema).unwrap_or_else(|error| panic!("{}: {error}", entry.name))
}

fn examples_of(entry: &Entry) -> Vec<Value> {
    schema_of(entry)["examples"].as_array().cloned().unwrap_or_default()
}

fn checked(entry: &Entry, data: &Value) {
    Validator::of(entry).check(data).unwrap_or_else(|violation| panic!("{}: {violation}", entry.name));
}

fn schema_says_what_the_message_means(entry: &Entry) {
    let (schema, name) = (schema_of(entry), entry.name);
    assert!(jsonschema::meta::is_valid(&schema), "{name} is not a JSON Schema");
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema", "{name}");
    assert_eq!(schema["$id"], format!("urn:kith:{}", name.replacen('.', ":", 1)), "{name}");
    assert!(schema["description"].is_string(), "{name} has no description");
    for (field, value) in schema["properties"].as_object().into_iter().flatten() {
        let described = value["description"].is_string() || value["$ref"].is_string();
        assert!(described, "{name}: the field {field} has no description");
    }
}

fn examples_fit(entry: &Entry) {
    let (examples, name) = (examples_of(entry), entry.name);
    assert!(!examples.is_empty(), "{name} has no example");
    for example in examples {
        checked(entry, &example);
        let written = (entry.round_trip)(example.clone()).unwrap_or_else(|error| panic!("{name}: {error}"));
        checked(entry, &written);
        for (field, value) in example.as_object().into_iter().flatten() {
            assert_eq!(written[field], *value, "{name}: the type loses the field {field}");
        }
    }
}

fn every_field_is_in_an_example(entry: &Entry) {
    let examples = examples_of(entry);
    for field in entry.fields().keys() {
        let has = |example: &Value| is_in(example, &field.split('/').skip(1).collect::<Vec<_>>());
        assert!(examples.iter().any(has), "{}: no example has the field {field}", entry.name);
    }
}

fn is_in(value: &Value, steps: &[&str]) -> bool {
    match (steps, value) {
        ([], _) => true,
        (["*", rest @ ..], Value::Array(items)) => items.iter().any(|item| is_in(item, rest)),
        (["*", rest @ ..], Value::Object(fields)) => fields.values().any(|value| is_in(value, rest)),
        ([field, rest @ ..], _) => value.get(field).is_some_and(|value| is_in(value, rest)),
    }
}

/// By schema and type alike.
fn a_missing_required_field_is_refused(entry: &Entry) {
    let (schema, name) = (schema_of(entry), entry.name);
    let validator = Validator::of(entry);
    for field in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        let mut example = schema["examples"][0].clone();
        example.as_object_mut().map(|fields| fields.remove(field));
        match validator.check(&example) {
            Ok(()) => panic!("{name}: the schema does not require {field}"),
            Err(violation) => {
                assert_eq!((violation.rule.as_str(), violation.path), ("required", format!("/{field}")), "{name}");
            }
        }
        let is_list = schema["properties"][field]["type"] == "array";
        assert!(is_list || (entry.round_trip)(example).is_err(), "{name}: the type does not require {field}");
    }
}

fn unknown_fields_are_ignored(entry: &Entry) {
    let mut example = schema_of(entry)["examples"][0].clone();
    example["a_field_of_tomorrow"] = json!("unknown");
    assert!((entry.round_trip)(example).is_ok(), "{} rejects an unknown field", entry.name);
}

fn older_versions_are_read(entry: &'static Entry) {
    for older in older_than(entry) {
        for example in examples_of(older) {
            let read = read_as(entry, older, example).unwrap_or_else(|error| panic!("{}: {error}", entry.name));
            checked(entry, &read);
        }
    }
}

fn versions_published_beside_fit(entry: &'static Entry) {
    for example in examples_of(entry) {
        let written = beside(entry, example.to_string().as_bytes());
        for (older, body) in written.unwrap_or_else(|error| panic!("{}: {error}", entry.name)) {
            checked(older, &serde_json::from_slice(&body).unwrap_or_default());
            assert!(is_published_beside(entry, older), "{}", older.name);
        }
    }
}
