//! Whether an object is a record, which has only the fields that its schema names.

use serde_json::{Value, json};

use crate::document::Document;

/// Returns the schemas that apply to the same value as this one: references, variants, conditions.
pub(crate) fn in_place<'a>(document: &'a Document, schema: &'a Value) -> Vec<Vec<&'a Value>> {
    let list = |keyword: &str| schema.get(keyword).and_then(Value::as_array).into_iter().flatten().collect();
    let one = |keyword: &str| schema.get(keyword);
    let mut groups: Vec<Vec<&Value>> = vec![];
    groups
        .extend(one("$ref").and_then(Value::as_str).and_then(|name| document.target(name)).map(|target| vec![target]));
    let all: Vec<&Value> = list("allOf");
    groups.extend(all.into_iter().map(|part| vec![part]));
    groups.push(list("anyOf"));
    groups.push(list("oneOf"));
    groups.push(["if", "then", "else"].into_iter().filter_map(one).collect());
    groups
        .push(one("dependentSchemas").and_then(Value::as_object).map(|map| map.values().collect()).unwrap_or_default());
    groups
}

/// Whether, in the writer's view, an object with these schemas has only the named fields.
///
/// An object that names no field is a free-form map, except at the top level, where it is a record.
pub(crate) fn is_closed(document: &Document, parts: &[&Value], top: bool) -> bool {
    let mut names = false;
    let mut seen: Vec<&Value> = vec![];
    let mut waiting: Vec<&Value> = parts.to_vec();
    while let Some(part) = waiting.pop() {
        if seen.iter().any(|known| std::ptr::eq(*known, part)) {
            continue;
        }
        seen.push(part);
        let says = |keyword: &str| part.get(keyword).is_some();
        if says("additionalProperties") || says("patternProperties") || says("unevaluatedProperties") {
            return false;
        }
        names |= says("properties") || part.get("required").is_some_and(|names| names != &json!([]));
        waiting.extend(in_place(document, part).into_iter().flatten());
    }
    let counts =
        |part: &Value| ["minProperties", "maxProperties", "propertyNames"].iter().any(|key| part.get(*key).is_some());
    let record =
        || parts.iter().any(|part| part.get("type") == Some(&json!("object"))) && !seen.iter().any(|part| counts(part));
    names || (top && record())
}
