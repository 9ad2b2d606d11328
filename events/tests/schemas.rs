//! Schema, type and example agree for every message.

#![allow(clippy::unwrap_used)]

use events::{
    Validator,
    catalogue::{CATALOGUE, Entry},
};
use serde_json::{Value, json};

fn schema_of(entry: &Entry) -> Value {
    serde_json::from_str(entry.schema).unwrap()
}

fn checked(entry: &Entry, data: &Value) {
    Validator::of(entry).check(data).unwrap();
}

#[test]
fn every_schema_is_valid_and_says_what_its_message_means() {
    for entry in CATALOGUE {
        let schema: Value = serde_json::from_str(entry.schema).unwrap();

        assert!(jsonschema::meta::is_valid(&schema), "{} is not a JSON Schema", entry.name);
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema", "{}", entry.name);
        assert_eq!(schema["$id"], format!("urn:kith:{}", entry.name.replacen('.', ":", 1)), "{}", entry.name);
        assert!(schema["description"].is_string(), "{} has no description", entry.name);
        for (field, value) in schema["properties"].as_object().unwrap() {
            let described = value["description"].is_string() || value["$ref"].is_string();
            assert!(described, "{}: the field {field} has no description", entry.name);
        }
    }
}

#[test]
fn every_example_fits_its_schema_and_its_type() {
    for entry in CATALOGUE {
        let examples = schema_of(entry)["examples"].as_array().cloned().unwrap_or_default();

        assert!(!examples.is_empty(), "{} has no example", entry.name);
        for example in examples {
            checked(entry, &example);
            let written = (entry.round_trip)(example.clone()).unwrap_or_else(|error| panic!("{}: {error}", entry.name));
            checked(entry, &written);
            for (field, value) in example.as_object().unwrap() {
                assert_eq!(written[field], *value, "{}: the type loses the field {field}", entry.name);
            }
        }
    }
}

#[test]
fn every_field_is_in_an_example() {
    for entry in CATALOGUE {
        let examples = schema_of(entry)["examples"].as_array().cloned().unwrap_or_default();
        for field in entry.fields().keys() {
            let has = |example: &Value| is_in(example, &field.split('/').skip(1).collect::<Vec<_>>());
            assert!(examples.iter().any(has), "{}: no example has the field {field}", entry.name);
        }
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

#[test]
fn a_missing_required_field_is_refused_by_schema_and_type_alike() {
    for entry in CATALOGUE {
        let schema = schema_of(entry);
        let validator = Validator::of(entry);
        for field in schema["required"].as_array().cloned().unwrap_or_default() {
            let mut example = schema["examples"][0].clone();
            let field = field.as_str().unwrap();
            example.as_object_mut().unwrap().remove(field);

            let violation = validator.check(&example).unwrap_err();
            assert_eq!(violation.rule, "required", "{}: the schema does not require {field}", entry.name);
            assert_eq!(violation.path, format!("/{field}"));
            let is_list = schema["properties"][field]["type"] == "array";
            assert!(
                is_list || (entry.round_trip)(example).is_err(),
                "{}: the type does not require {field}",
                entry.name
            );
        }
    }
}

#[test]
fn readers_ignore_what_they_do_not_know() {
    for entry in CATALOGUE {
        let schema: Value = serde_json::from_str(entry.schema).unwrap();
        let mut example = schema["examples"][0].clone();
        example["a_field_of_tomorrow"] = json!("unknown");

        assert!((entry.round_trip)(example).is_ok(), "{} rejects an unknown field", entry.name);
    }
}
