//! Converts schemas of older dialects to 2020-12.

use serde_json::{Map, Value, json};

use crate::applicators::ONE;

/// The dialect in which schemas are compared.
pub(crate) const OURS: &str = "https://json-schema.org/draft/2020-12/schema";

const OLDER: [&str; 4] = [
    "http://json-schema.org/draft-04/schema",
    "http://json-schema.org/draft-06/schema",
    "http://json-schema.org/draft-07/schema",
    "https://json-schema.org/draft/2019-09/schema",
];

/// Returns the schema in our dialect; the error names an unsupported dialect.
///
/// A schema that does not name its dialect counts as 2020-12 if it is valid as such, otherwise as an older one.
pub(crate) fn in_ours(schema: &Value) -> Result<Value, String> {
    let named = schema.get("$schema").and_then(Value::as_str).map(|dialect| dialect.trim_end_matches('#'));
    let older = match named {
        Some(OURS) => false,
        Some(dialect) if OLDER.contains(&dialect) => true,
        Some(dialect) => return Err(format!("it is written in another dialect: {dialect}")),
        None => !jsonschema::meta::is_valid(schema),
    };
    if !older {
        return Ok(schema.clone());
    }
    // Since 2019-09, a reference may have sibling keywords.
    let alone = named.is_some_and(|dialect| !dialect.contains("2019-09"));
    Ok(translated(schema, alone))
}

fn translated(schema: &Value, alone: bool) -> Value {
    let Value::Object(fields) = schema else { return schema.clone() };
    let mut made = Map::new();
    let refers = alone && fields.get("$ref").is_some_and(Value::is_string);
    for (key, value) in fields {
        let definitions = ["definitions", "$defs"].contains(&key.as_str());
        if refers && key != "$ref" && !definitions {
            continue;
        }
        match (key.as_str(), value) {
            ("$schema", _) => {}
            ("id" | "$id", Value::String(name)) => drop(made.insert(identity(name).0.into(), identity(name).1.into())),
            ("items", Value::Array(_)) => drop(made.insert("prefixItems".into(), each(value, alone))),
            // Has no effect if all items have one schema.
            ("additionalItems", _) => {
                if fields.get("items").is_some_and(Value::is_array) {
                    made.insert("items".into(), translated(value, alone));
                }
            }
            ("dependencies", Value::Object(map)) => dependencies(map, &mut made, alone),
            ("exclusiveMinimum" | "exclusiveMaximum", Value::Bool(_)) => {}
            ("minimum", bound) if fields.get("exclusiveMinimum") == Some(&json!(true)) => {
                made.insert("exclusiveMinimum".into(), bound.clone());
            }
            ("maximum", bound) if fields.get("exclusiveMaximum") == Some(&json!(true)) => {
                made.insert("exclusiveMaximum".into(), bound.clone());
            }
            ("properties" | "patternProperties" | "definitions" | "$defs" | "dependentSchemas", Value::Object(_))
            | ("allOf" | "anyOf" | "oneOf", Value::Array(_)) => drop(made.insert(key.clone(), each(value, alone))),
            (one, _) if ONE.contains(&one) => drop(made.insert(key.clone(), translated(value, alone))),
            _ => drop(made.insert(key.clone(), value.clone())),
        }
    }
    Value::Object(made)
}

/// Converts every schema of a list or a map.
fn each(value: &Value, alone: bool) -> Value {
    match value {
        Value::Array(list) => list.iter().map(|item| translated(item, alone)).collect(),
        Value::Object(map) => {
            map.iter().map(|(name, item)| (name.clone(), translated(item, alone))).collect::<Map<_, _>>().into()
        }
        other => other.clone(),
    }
}

/// Returns `$anchor` instead of `$id` for the identity of a subschema.
fn identity(name: &str) -> (&'static str, &str) {
    name.strip_prefix('#').map_or(("$id", name), |anchor| ("$anchor", anchor))
}

fn dependencies(map: &Map<String, Value>, made: &mut Map<String, Value>, alone: bool) {
    for (name, value) in map {
        let (keyword, value) = match value {
            Value::Array(_) => ("dependentRequired", value.clone()),
            Value::String(one) => ("dependentRequired", json!([one])),
            schema => ("dependentSchemas", translated(schema, alone)),
        };
        made.entry(keyword).or_insert_with(|| json!({}))[name.as_str()] = value;
    }
}
