//! Schema, type and example say the same of every message.

use std::{collections::BTreeMap, fs, path::Path};

use events::catalogue::{CATALOGUE, Entry};
use serde_json::{Value, json};

/// A schema with every other schema it refers to inside it.
fn bundled(entry: &Entry) -> Value {
    let mut schema: Value = serde_json::from_str(entry.schema).unwrap();
    let mut others = BTreeMap::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas").join(entry.service);
    for file in fs::read_dir(folder).unwrap() {
        let file = file.unwrap();
        let mut other: Value = serde_json::from_str(&fs::read_to_string(file.path()).unwrap()).unwrap();
        other.as_object_mut().unwrap().remove("$id");
        others.insert(file.file_name().into_string().unwrap(), other);
    }
    let defs = schema.as_object_mut().unwrap().entry("$defs").or_insert_with(|| json!({}));
    for (name, other) in others {
        defs[name] = other;
    }
    schema.as_object_mut().unwrap().remove("$id");
    with_bundled_references(schema)
}

fn with_bundled_references(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .map(|(key, value)| match value {
                Value::String(target) if key == "$ref" && target.ends_with(".json") => {
                    (key, Value::String(format!("#/$defs/{target}")))
                }
                value => (key, with_bundled_references(value)),
            })
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Value::Array(items) => items.into_iter().map(with_bundled_references).collect(),
        other => other,
    }
}

#[test]
fn every_schema_is_valid_and_says_what_its_message_means() {
    for entry in CATALOGUE {
        let schema: Value = serde_json::from_str(entry.schema).unwrap();

        assert!(jsonschema::meta::is_valid(&schema), "{} is no JSON Schema", entry.name);
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
        let schema = bundled(entry);
        let validator = jsonschema::validator_for(&schema).unwrap();
        let examples = schema["examples"].as_array().cloned().unwrap_or_default();

        assert!(!examples.is_empty(), "{} has no example", entry.name);
        for example in examples {
            if let Err(error) = validator.validate(&example) {
                panic!("{}: {error} at {}", entry.name, error.instance_path());
            }
            let written = (entry.round_trip)(example.clone()).unwrap_or_else(|error| panic!("{}: {error}", entry.name));
            if let Err(error) = validator.validate(&written) {
                panic!("{}: what the type writes: {error} at {}", entry.name, error.instance_path());
            }
            for (field, value) in example.as_object().unwrap() {
                assert_eq!(written[field], *value, "{}: the type loses the field {field}", entry.name);
            }
        }
    }
}

#[test]
fn a_missing_required_field_is_refused_by_schema_and_type_alike() {
    for entry in CATALOGUE {
        let schema = bundled(entry);
        let validator = jsonschema::validator_for(&schema).unwrap();
        for field in schema["required"].as_array().cloned().unwrap_or_default() {
            let mut example = schema["examples"][0].clone();
            let field = field.as_str().unwrap();
            example.as_object_mut().unwrap().remove(field);

            assert!(!validator.is_valid(&example), "{}: the schema does without {field}", entry.name);
            let is_list = schema["properties"][field]["type"] == "array";
            assert!(is_list || (entry.round_trip)(example).is_err(), "{}: the type does without {field}", entry.name);
        }
    }
}

#[test]
fn readers_ignore_what_they_do_not_know() {
    for entry in CATALOGUE {
        let schema: Value = serde_json::from_str(entry.schema).unwrap();
        let mut example = schema["examples"][0].clone();
        example["a_field_of_tomorrow"] = json!("unknown");

        assert!((entry.round_trip)(example).is_ok(), "{} refuses an unknown field", entry.name);
    }
}
