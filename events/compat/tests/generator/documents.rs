//! Documents built from what a schema names, independent of the checker's writer's view.

use serde_json::{Map, Value, json};

use super::Random;

const DATES: [&str; 2] = ["2026-11-01T09:30:00Z", "2026-11-01T09:30:00.5+01:00"];

/// Returns a document built from what a schema names; it may be invalid.
pub fn document(schema: &Value, random: &mut Random) -> Option<Value> {
    made(schema, schema, random, 6)
}

fn made(top: &Value, schema: &Value, random: &mut Random, depth: usize) -> Option<Value> {
    let fields = match schema {
        Value::Bool(true) => return Some(json!(random.below(3))),
        Value::Object(fields) => fields,
        _ => return None,
    };
    let depth = depth.checked_sub(1)?;
    if let Some(target) = fields.get("$ref") {
        return made(top, top.pointer(&target.as_str()?[1..])?, random, depth);
    }
    if let Some(Value::Array(values)) = fields.get("enum") {
        return values.get(random.below(values.len().max(1))).cloned();
    }
    if let Some(value) = fields.get("const") {
        return Some(value.clone());
    }
    for keyword in ["anyOf", "oneOf"] {
        if let Some(Value::Array(all)) = fields.get(keyword) {
            let chosen = random.one(all);
            return made(top, chosen, random, depth).filter(|value| fits(top, chosen, value));
        }
    }
    let kind = match fields.get("type") {
        Some(Value::Array(kinds)) => random.one(kinds).as_str()?.to_owned(),
        Some(kind) => kind.as_str()?.to_owned(),
        None => (*random.one(&["string", "integer", "null", "boolean"])).to_owned(),
    };
    match kind.as_str() {
        "null" => Some(Value::Null),
        "boolean" => Some(json!(random.chance(2))),
        "integer" => Some(json!(random.below(24) as i64 - 8)),
        "number" => Some(json!((random.below(48) as f64 - 16.0) / 2.0)),
        "string" => Some(some_text(fields, random)),
        "array" => some_list(top, fields, random, depth),
        _ => some_record(top, fields, random, depth),
    }
}

/// Whether a value fits its own variant: a value that also fits another one need not name that one's fields.
fn fits(top: &Value, schema: &Value, value: &Value) -> bool {
    let schema = json!({"allOf": [schema], "$defs": top["$defs"]});
    jsonschema::options().should_validate_formats(true).build(&schema).is_ok_and(|validator| validator.is_valid(value))
}

fn some_text(fields: &Map<String, Value>, random: &mut Random) -> Value {
    match fields.get("format").and_then(Value::as_str) {
        Some("uuid") => return json!("7c0f3c1e-3b1f-4f0e-9d0a-5b8f6a1d2c33"),
        Some("date-time") => return json!(random.one(&DATES)),
        _ => {}
    }
    let letters = ["a", "b", "ab", "1", "", "A1", "aa", "zz9", "abcd", "c", "d"];
    json!(random.one(&letters))
}

fn some_list(top: &Value, fields: &Map<String, Value>, random: &mut Random, depth: usize) -> Option<Value> {
    let places = fields.get("prefixItems").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut items = vec![];
    for at in 0..random.below(4) {
        let schema = places.get(at).or_else(|| fields.get("items"));
        match schema.map_or(Some(json!(1)), |schema| made(top, schema, random, depth)) {
            Some(item) => items.push(item),
            None => break,
        }
    }
    Some(Value::Array(items))
}

fn some_record(top: &Value, fields: &Map<String, Value>, random: &mut Random, depth: usize) -> Option<Value> {
    let mut found = Map::new();
    for part in fields.get("allOf").and_then(Value::as_array).into_iter().flatten() {
        if let Value::Object(more) = made(top, part, random, depth)? {
            found.extend(more);
        }
    }
    let properties = fields.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    let required: Vec<&str> =
        fields.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, schema) in &properties {
        if required.contains(&name.as_str()) || random.chance(2) {
            match made(top, schema, random, depth) {
                Some(value) => drop(found.insert(name.clone(), value)),
                None if required.contains(&name.as_str()) => return None,
                None => {}
            }
        }
    }
    for name in required.into_iter().filter(|name| !properties.contains_key(*name)) {
        found.insert(name.to_owned(), json!(random.below(3)));
    }
    let more =
        fields.get("additionalProperties").or_else(|| fields.get("patternProperties").map(|_| &Value::Bool(true)));
    if let (Some(schema), true) = (more, random.chance(2)) {
        found.extend(made(top, schema, random, depth).map(|value| ((*random.one(&["q", "z", "b"])).to_owned(), value)));
    }
    for (pattern, schema) in fields.get("patternProperties").and_then(Value::as_object).into_iter().flatten() {
        if random.chance(2) {
            let name = format!("{}a", pattern.trim_start_matches('^'));
            found.extend(made(top, schema, random, depth).map(|value| (name, value)));
        }
    }
    Some(Value::Object(found))
}
