//! The schema of a payload, in the dialect that AsyncAPI tools support.
//!
//! Our schemas are JSON Schema 2020-12; the official parser supports draft 7. The keywords that we use mean the same in
//! both, except for the name of `$defs` and for siblings of `$ref`, so schemas are converted to draft 7. A schema with
//! a keyword that draft 7 lacks stays 2020-12. Why: `docs/decisions/0010-asyncapi.md`.

use std::cell::Cell;

use contracts::Message;
use serde_json::{Map, Value, json};

use crate::schema::{rewritten, without_examples};

const DRAFT_07: &str = "application/schema+json;version=draft-07";
const DRAFT_2020_12: &str = "application/schema+json;version=2020-12";

/// Keywords that draft 7 lacks.
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
/// Keywords of a schema file that the AsyncAPI message states itself.
const OF_A_FILE: [&str; 4] = ["$schema", "$id", "x-kith", "$comment"];

/// Returns the payload of a message in AsyncAPI form: the schema with its format.
pub(super) fn of(message: &Message) -> Value {
    let place = format!("#/components/messages/{}/payload/schema", message.name);
    let (format, definitions) =
        if needs_2020_12(&message.bundled) { (DRAFT_2020_12, "$defs") } else { (DRAFT_07, "definitions") };
    let schema = rewritten(&message.bundled, &|keywords| placed(keywords, &place, definitions));
    json!({ "schemaFormat": format, "schema": schema })
}

fn needs_2020_12(schema: &Value) -> bool {
    let found = Cell::new(false);
    rewritten(schema, &|keywords| {
        found.set(found.get() || NEW.iter().any(|keyword| keywords.contains_key(*keyword)));
        keywords
    });
    found.get()
}

/// Embeds a schema at a position in another document, with its definitions under their names.
fn placed(keywords: Map<String, Value>, place: &str, definitions: &str) -> Map<String, Value> {
    let mut made = without_examples(keywords);
    made.retain(|keyword, _| !OF_A_FILE.contains(&&**keyword));
    if let Some(defined) = made.remove("$defs") {
        made.insert(definitions.to_owned(), defined);
    }
    let pointer = made.get("$ref").and_then(Value::as_str).and_then(|target| target.strip_prefix('#'));
    if let Some(pointer) = pointer {
        let pointer = pointer.replace("/$defs/", &format!("/{definitions}/"));
        made.insert("$ref".to_owned(), format!("{place}{pointer}").into());
    }
    // In draft 7, and for tools that resolve references, siblings of a reference are ignored.
    if made.len() > 1
        && let Some(reference) = made.remove("$ref")
        && let Value::Array(all) = made.entry("allOf").or_insert_with(|| json!([]))
    {
        all.insert(0, json!({ "$ref": reference }));
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: &str = "#/here";

    fn written(schema: &Value, definitions: &str) -> Value {
        rewritten(schema, &|keywords| placed(keywords, PLACE, definitions))
    }

    #[test]
    fn definitions_get_the_name_of_draft_7_and_references_find_them() {
        let schema = json!({
            "$id": "urn:x", "x-kith": {"kind": "reply"}, "examples": [{"name": "Ada"}],
            "properties": {
                "who": {"$ref": "#/$defs/Who", "description": "who it is"},
                "$defs": {"type": "string"},
                "examples": {"type": "string", "x-personal-data": true, "default": "Ada", "examples": ["Ada"]},
            },
            "$defs": {"Who": {"$ref": "#"}},
        });

        assert_eq!(
            written(&schema, "definitions"),
            json!({
                "properties": {
                    "who": {"allOf": [{"$ref": "#/here/definitions/Who"}], "description": "who it is"},
                    "$defs": {"type": "string"},
                    "examples": {"type": "string", "x-personal-data": true},
                },
                "definitions": {"Who": {"$ref": "#/here"}},
            })
        );
    }

    #[test]
    fn what_draft_7_cannot_say_stays_2020_12() {
        assert!(needs_2020_12(&json!({"properties": {"pair": {"prefixItems": [{"type": "string"}]}}})));
        assert!(!needs_2020_12(&json!({"properties": {"prefixItems": {"type": "string"}}})));
    }
}
