//! Tests of fields.

use serde_json::json;

use super::*;

#[test]
fn fields_are_listed_with_their_form_and_whether_they_are_always_there() {
    let schema = json!({
        "properties": {
            "people": {"type": "array", "items": {"$ref": "#/$defs/Person"}, "maxItems": 9},
            "at": {"type": "string", "format": "date-time", "description": "when"},
            "state": {"enum": ["on", "off"]},
        },
        "required": ["state", "people"],
        "$defs": {"Person": {
            "type": "object",
            "properties": {"name": {"type": ["string", "null"], "x-personal-data": true}},
            "required": ["name"],
        }},
    });

    let listed = fields(&schema);

    let told: Vec<_> =
        listed.iter().map(|field| (&*field.path, &*field.form, field.required, field.personal)).collect();
    assert_eq!(
        told,
        [
            ("/state", "on | off", true, false),
            ("/people", "list of object, items: at most 9", true, false),
            ("/people/*/name", "string or null", true, true),
            ("/at", "string (date-time)", false, false),
        ]
    );
    assert_eq!(listed[3].description, "when");
}

#[test]
fn a_schema_that_holds_itself_is_entered_once() {
    let schema = json!({
        "$ref": "#/$defs/Node",
        "$defs": {"Node": {"type": "object", "properties": {
            "next": {"$ref": "#/$defs/Node"},
            "by_name": {"type": "object", "additionalProperties": {"$ref": "#/$defs/Node"}},
        }}},
    });

    let paths: Vec<_> = fields(&schema).into_iter().map(|field| field.path).collect();

    assert_eq!(paths, ["/by_name", "/next"]);
}

#[test]
fn a_field_that_only_holds_others_does_not_count() {
    let name = json!({"properties": {"full": {"type": "string"}, "given": {"type": "string"}}});
    let listed = fields(&json!({"properties": {"name": name, "id": {"type": "string"}}}));

    let read = read_of(&listed, &["/name".to_owned(), "/name/full".to_owned()]);

    assert_eq!(read.iter().map(|field| &*field.path).collect::<Vec<_>>(), ["/name/full"]);
    assert_eq!(count(&listed), 3);
}
