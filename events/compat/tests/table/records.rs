//! Fields, lists and maps.

use serde_json::{Value, json};

use crate::{NO, YES, check, field, record};

#[test]
fn fields_come_and_go() {
    let text = || json!({"type": "string"});
    check(vec![
        ("nothing", record(json!({"a": text()}), json!(["a"])), record(json!({"a": text()}), json!(["a"])), YES, YES),
        ("optional added", record(json!({}), json!([])), record(json!({"a": text()}), json!([])), YES, YES),
        ("required added", record(json!({}), json!([])), record(json!({"a": text()}), json!(["a"])), NO, YES),
        ("optional removed", record(json!({"a": text()}), json!([])), record(json!({}), json!([])), YES, YES),
        ("required removed", record(json!({"a": text()}), json!(["a"])), record(json!({}), json!([])), YES, NO),
        ("made optional", record(json!({"a": text()}), json!(["a"])), record(json!({"a": text()}), json!([])), YES, NO),
        ("renamed", record(json!({"a": text()}), json!(["a"])), record(json!({"b": text()}), json!(["b"])), NO, NO),
        ("required without a schema", record(json!({}), json!(["a"])), record(json!({}), json!(["b"])), NO, NO),
        ("first field of a bare record", json!({"type": "object"}), record(json!({"a": text()}), json!([])), YES, YES),
        (
            "a free-form map is not a record",
            field(json!({"type": "object"})),
            field(record(json!({"a": text()}), json!([]))),
            NO,
            YES,
        ),
        (
            "optional added, but the reader rejects unknown fields",
            json!({"properties": {"a": true}, "additionalProperties": false}),
            json!({"properties": {"a": true, "b": true}, "additionalProperties": false}),
            YES,
            NO,
        ),
        (
            "unknown fields are now rejected",
            record(json!({"a": text()}), json!([])),
            json!({"type": "object", "properties": {"a": text()}, "required": [], "additionalProperties": false}),
            YES,
            YES,
        ),
        (
            "dependent field added",
            json!({"properties": {"a": true, "b": true}}),
            json!({"properties": {"a": true, "b": true}, "dependentRequired": {"a": ["b"]}}),
            NO,
            YES,
        ),
        (
            "maximum field count lowered",
            json!({"properties": {"a": true, "b": true}}),
            json!({"properties": {"a": true, "b": true}, "maxProperties": 1}),
            NO,
            YES,
        ),
    ]);
}

#[test]
fn lists_maps_and_nested_records_change() {
    let list = |items: Value| field(json!({"type": "array", "items": items}));
    let map = |values: Value| field(json!({"type": "object", "additionalProperties": values}));
    let rules = |pattern: &str, values: Value| field(json!({"type": "object", "patternProperties": {pattern: values}}));
    let text = || json!({"type": "string"});
    check(vec![
        ("items of another type", list(text()), list(json!({"type": "integer"})), NO, NO),
        (
            "optional field in items",
            list(record(json!({"x": text()}), json!([]))),
            list(record(json!({"x": text(), "y": text()}), json!([]))),
            YES,
            YES,
        ),
        (
            "required field in items",
            list(record(json!({"x": text()}), json!([]))),
            list(record(json!({"x": text()}), json!(["x"]))),
            NO,
            YES,
        ),
        (
            "deep",
            field(list(field(list(json!({"type": "integer"}))))),
            field(list(field(list(json!({"type": "number"}))))),
            YES,
            NO,
        ),
        (
            "tuple item added",
            field(json!({"type": "array", "prefixItems": [text()], "items": false})),
            field(json!({"type": "array", "prefixItems": [text(), text()], "items": false})),
            YES,
            NO,
        ),
        (
            "tuple item changed",
            field(json!({"type": "array", "prefixItems": [text()]})),
            field(json!({"type": "array", "prefixItems": [{"type": "null"}]})),
            NO,
            NO,
        ),
        ("a map of a wider type", map(json!({"type": "integer"})), map(json!({"type": "number"})), YES, NO),
        ("a map made free-form", map(json!({"type": "integer"})), map(json!(true)), YES, NO),
        ("a map by pattern", rules("^x-", text()), rules("^x-", json!({"type": ["string", "null"]})), YES, NO),
        ("a record becomes a map", field(record(json!({"x": text()}), json!([]))), map(text()), YES, YES),
    ]);
}
