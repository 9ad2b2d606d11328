//! Masks personal data in a value.

use serde_json::{Map, Value};

use crate::schema::{Applied, Place};

/// The placeholder for personal data.
const MASK: &str = "•••";

/// Masks the parts of a value that its schema marks as personal data (`"x-personal-data": true`).
///
/// References within the document, items, nested fields and values of maps are followed. If several branches may apply,
/// one marked branch is enough; if a reference cannot be resolved, the whole value is masked.
pub fn masked(value: &Value, schema: &Value) -> Value {
    by(value, &Place::root(schema).applied(), false)
}

fn by(value: &Value, schema: &Applied, inside: bool) -> Value {
    let inside = inside || schema.is_personal();
    match value {
        Value::Null => Value::Null,
        Value::Array(items) => {
            items.iter().enumerate().map(|(index, item)| by(item, &schema.of_item(index), inside)).collect()
        }
        Value::Object(fields) => {
            let hides_keys = inside || schema.has_personal_keys();
            let mut shown = Map::new();
            for (key, value) in fields {
                let name = if hides_keys && !schema.names(key) { free_name(&shown) } else { key.clone() };
                shown.insert(name, by(value, &schema.of_key(key), inside));
            }
            shown.into()
        }
        _ if inside => MASK.into(),
        other => other.clone(),
    }
}

/// Returns an unused masked key: keys of a map are data too, and each masked key must stay distinct.
fn free_name(taken: &Map<String, Value>) -> String {
    let numbered = (2..).map(|number| format!("{MASK} {number}"));
    std::iter::once(MASK.to_owned()).chain(numbered).find(|name| !taken.contains_key(name)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn strings_numbers_and_items_of_marked_fields_are_masked_and_others_are_not() {
        let schema = json!({"properties": {
            "name": {"type": "string", "x-personal-data": true},
            "born": {"type": "integer", "x-personal-data": true},
            "emails": {"type": "array", "items": {"type": "string"}, "x-personal-data": true},
            "phones": {"type": "array", "items": {"type": "string", "x-personal-data": true}},
            "id": {"type": "string"},
        }});
        let value = json!({"name": "Ada", "born": 1815, "emails": ["a@b.c", "d@e.f"], "phones": ["1"], "id": "7"});

        let shown = masked(&value, &schema);

        assert_eq!(
            shown,
            json!({"name": "•••", "born": "•••", "emails": ["•••", "•••"], "phones": ["•••"], "id": "7"})
        );
    }

    #[test]
    fn references_nested_fields_and_branches_are_followed() {
        let schema = json!({
            "properties": {"people": {"type": "array", "items": {"$ref": "#/$defs/Person"}}},
            "$defs": {
                "Person": {
                    "allOf": [{"properties": {"name": {"$ref": "#/$defs/Name"}}}],
                    "oneOf": [{"properties": {"mail": {"x-personal-data": true}}}, {"properties": {"mail": true}}],
                    "properties": {"knows": {"$ref": "#/$defs/Person"}},
                },
                "Name": {"type": "string", "x-personal-data": true},
            },
        });
        let value = json!({"people": [{"name": "Ada", "mail": "a@b.c", "knows": {"name": "Bo", "since": 3}}]});

        let shown = masked(&value, &schema);

        assert_eq!(shown, json!({"people": [{"name": "•••", "mail": "•••", "knows": {"name": "•••", "since": 3}}]}));
    }

    #[test]
    fn values_of_maps_are_masked_and_their_keys_where_the_map_is_marked() {
        let schema = json!({"properties": {
            "by_day": {"additionalProperties": {"x-personal-data": true}},
            "by_mail": {"additionalProperties": {"type": "string"}, "x-personal-data": true},
            "by_name": {"propertyNames": {"x-personal-data": true}},
        }});
        let value =
            json!({"by_day": {"monday": "Ada"}, "by_mail": {"a@b.c": "x", "d@e.f": "y"}, "by_name": {"Ada": 1}});

        let shown = masked(&value, &schema);

        let (by_mail, by_name) = (json!({"•••": "•••", "••• 2": "•••"}), json!({"•••": 1}));
        assert_eq!(shown, json!({"by_day": {"monday": "•••"}, "by_mail": by_mail, "by_name": by_name}));
    }

    #[test]
    fn what_is_not_known_is_masked() {
        let schema = json!({"properties": {"who": {"$ref": "elsewhere.json"}}});

        let shown = masked(&json!({"who": {"name": "Ada"}, "id": 7}), &schema);

        assert_eq!(shown, json!({"who": {"•••": "•••"}, "id": 7}));
    }
}
