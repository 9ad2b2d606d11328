//! Pointers to fields: `/contact_id`, `/emails/*`, and whether a schema has such a field.

use serde_json::Value;

/// Whether the pointers are equal or one lies within the other. `*` stands for every item of a list and key of a map.
pub(crate) fn overlap(one: &str, other: &str) -> bool {
    steps(one).zip(steps(other)).all(|(one, other)| one == other || one == "*" || other == "*")
}

/// Returns the pointer without its last step.
pub(crate) fn parent(pointer: &str) -> &str {
    pointer.rsplit_once('/').map_or("", |(rest, _)| rest)
}

fn steps(pointer: &str) -> impl Iterator<Item = &str> {
    pointer.split('/').skip(1)
}

/// Whether a schema declares the field at a pointer; references must be resolvable within the schema.
pub(crate) fn exists(schema: &Value, pointer: &str) -> bool {
    let mut places = applied(schema, vec![schema]);
    if !pointer.is_empty() && !pointer.starts_with('/') {
        return false;
    }
    for step in steps(pointer) {
        let step = step.replace("~1", "/").replace("~0", "~");
        let inner = places.iter().flat_map(|place| inside(place, &step)).collect();
        places = applied(schema, inner);
    }
    !places.is_empty()
}

/// Returns the schemas, and all others that apply to the same values.
fn applied<'a>(root: &'a Value, mut places: Vec<&'a Value>) -> Vec<&'a Value> {
    let mut next = 0;
    while let Some(place) = places.get(next).copied() {
        for other in beside(root, place) {
            // A schema may be recursive.
            if !places.iter().any(|known| std::ptr::eq(*known, other)) {
                places.push(other);
            }
        }
        next += 1;
    }
    places
}

fn beside<'a>(root: &'a Value, place: &'a Value) -> Vec<&'a Value> {
    let target = place["$ref"].as_str().and_then(|target| target.strip_prefix('#'));
    let mut found: Vec<_> = target.and_then(|pointer| root.pointer(pointer)).into_iter().collect();
    found.extend(["if", "then", "else"].iter().filter_map(|keyword| place.get(keyword)));
    for keyword in ["allOf", "anyOf", "oneOf"] {
        found.extend(place[keyword].as_array().into_iter().flatten());
    }
    found.extend(place["dependentSchemas"].as_object().into_iter().flat_map(|map| map.values()));
    found
}

fn inside<'a>(place: &'a Value, step: &str) -> Vec<&'a Value> {
    if step != "*" {
        return place["properties"].get(step).into_iter().chain(held(place, &UNNAMED_FIELDS)).collect();
    }
    let listed = place["prefixItems"].as_array().into_iter().flatten();
    let patterns = place["patternProperties"].as_object().into_iter().flat_map(|map| map.values());
    let mut found: Vec<_> = listed.chain(patterns).collect();
    found.extend(held(place, &ITEMS).chain(held(place, &UNNAMED_FIELDS)));
    if is_free(place) {
        found.push(&Value::Bool(true));
    }
    found
}

const ITEMS: [&str; 2] = ["items", "unevaluatedItems"];
const UNNAMED_FIELDS: [&str; 2] = ["additionalProperties", "unevaluatedProperties"];

/// Returns the schemas of some keywords, except those that allow nothing.
fn held<'a>(place: &'a Value, keywords: &[&str]) -> impl Iterator<Item = &'a Value> {
    keywords.iter().filter_map(|keyword| place.get(keyword)).filter(|schema| **schema != Value::Bool(false))
}

/// Whether a schema is a list of arbitrary items or a map of arbitrary values.
fn is_free(place: &Value) -> bool {
    let is =
        |name: &str| place["type"] == name || place["type"].as_array().is_some_and(|all| all.contains(&name.into()));
    let says = |keywords: &[&str]| keywords.iter().any(|keyword| place.get(keyword).is_some());
    let is_list = is("array") && !says(&ITEMS) && !says(&["prefixItems"]);
    let is_map = is("object") && !says(&UNNAMED_FIELDS) && !says(&["properties", "patternProperties"]);
    is_list || is_map
}
