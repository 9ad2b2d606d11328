//! The schema of a payload, in the dialect that AsyncAPI's tools know.
//!
//! Our schemas are JSON Schema 2020-12, the official parser knows draft 7. What we use means the same in both, but for
//! the name of `$defs` and for keywords beside a `$ref`; so it is written as draft 7. A schema with a keyword that draft 7
//! does not have goes as 2020-12, as it is. Why: `docs/decisions/0008-asyncapi.md`.

use contracts::Message;
use serde_json::{Map, Value, json};

const DRAFT_07: &str = "application/schema+json;version=draft-07";
const DRAFT_2020_12: &str = "application/schema+json;version=2020-12";

/// Keywords that draft 7 does not have.
const NEW: [&str; 11] = [
    "prefixItems",
    "unevaluatedItems",
    "unevaluatedProperties",
    "dependentRequired",
    "dependentSchemas",
    "minContains",
    "maxContains",
    "$anchor",
    "$dynamicRef",
    "$dynamicAnchor",
    "$vocabulary",
];
/// Keywords of the file; examples are the message's, where they are masked.
const DROPPED: [&str; 5] = ["$schema", "$id", "x-kith", "examples", "$comment"];

const MAPS: [&str; 5] = ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"];
const LISTS: [&str; 4] = ["allOf", "anyOf", "oneOf", "prefixItems"];
const ONE: [&str; 10] = [
    "items",
    "additionalProperties",
    "unevaluatedProperties",
    "unevaluatedItems",
    "not",
    "if",
    "then",
    "else",
    "contains",
    "propertyNames",
];

/// The payload of a message as AsyncAPI has it: the schema with the format that it is in.
pub(super) fn of(message: &Message) -> Value {
    let place = format!("#/components/messages/{}/payload/schema", message.name);
    let is_new = any_schema(&message.bundled, &|schema| NEW.iter().any(|keyword| schema.contains_key(*keyword)));
    let (format, definitions) = if is_new { (DRAFT_2020_12, "$defs") } else { (DRAFT_07, "definitions") };
    let writer = Writer { place: &place, definitions };
    json!({ "schemaFormat": format, "schema": writer.written(&message.bundled) })
}

/// Writes a schema so that it can stand inside another document.
struct Writer<'a> {
    /// Where it stands.
    place: &'a str,
    /// What its definitions are called.
    definitions: &'a str,
}

impl Writer<'_> {
    fn written(&self, schema: &Value) -> Value {
        let Value::Object(fields) = schema else { return schema.clone() };
        let is_personal = fields.get("x-personal-data").is_some_and(|mark| mark == true);
        let mut made = Map::new();
        for (keyword, value) in fields {
            let is_shown = !DROPPED.contains(&&**keyword) && !(is_personal && keyword == "default");
            if is_shown {
                let name = if keyword == "$defs" { self.definitions } else { keyword };
                made.insert(name.to_owned(), self.keyword(keyword, value));
            }
        }
        // In draft 7, and for whoever resolves references, what stands beside one does not count.
        if made.len() > 1
            && let Some(reference) = made.remove("$ref")
            && let Value::Array(all) = made.entry("allOf").or_insert_with(|| json!([]))
        {
            all.insert(0, json!({ "$ref": reference }));
        }
        made.into()
    }

    fn keyword(&self, keyword: &str, value: &Value) -> Value {
        match value {
            Value::String(target) if keyword == "$ref" => self.reference(target).into(),
            Value::Object(schemas) if MAPS.contains(&keyword) => {
                schemas.iter().map(|(name, schema)| (name.clone(), self.written(schema))).collect::<Map<_, _>>().into()
            }
            Value::Array(schemas) if LISTS.contains(&keyword) => {
                schemas.iter().map(|schema| self.written(schema)).collect()
            }
            _ if ONE.contains(&keyword) => self.written(value),
            _ => value.clone(),
        }
    }

    fn reference(&self, target: &str) -> String {
        match target.strip_prefix('#') {
            Some(pointer) => {
                format!("{}{}", self.place, pointer.replace("/$defs/", &format!("/{}/", self.definitions)))
            }
            None => target.to_owned(),
        }
    }
}

/// Whether something holds for any schema in a schema. Names of fields are no keywords.
fn any_schema(schema: &Value, holds: &dyn Fn(&Map<String, Value>) -> bool) -> bool {
    let Value::Object(fields) = schema else { return false };
    holds(fields)
        || fields.iter().any(|(keyword, value)| match value {
            Value::Object(schemas) if MAPS.contains(&&**keyword) => {
                schemas.values().any(|schema| any_schema(schema, holds))
            }
            Value::Array(schemas) if LISTS.contains(&&**keyword) => {
                schemas.iter().any(|schema| any_schema(schema, holds))
            }
            _ => ONE.contains(&&**keyword) && any_schema(value, holds),
        })
}
