//! Types, listed values, bounds and formats.

use serde_json::{Value, json};

use crate::{NO, YES, check, field, record, with};

#[test]
fn types_and_values_change() {
    let one_of = |values: Value| field(json!({"type": "string", "enum": values}));
    let of_type = |kind: Value| field(json!({"type": kind}));
    check(vec![
        ("another type", of_type(json!("string")), of_type(json!("integer")), NO, NO),
        ("whole to any number", of_type(json!("integer")), of_type(json!("number")), YES, NO),
        ("any to whole number", of_type(json!("number")), of_type(json!("integer")), NO, YES),
        ("nullable", of_type(json!("string")), of_type(json!(["string", "null"])), YES, NO),
        ("no longer nullable", of_type(json!(["null", "string"])), of_type(json!("string")), NO, YES),
        (
            "nullable said otherwise",
            of_type(json!(["string", "null"])),
            field(json!({"anyOf": [{"type": "null"}, {"type": "string"}]})),
            YES,
            YES,
        ),
        ("value added", one_of(json!(["a", "b"])), one_of(json!(["a", "b", "c"])), YES, NO),
        ("value removed", one_of(json!(["a", "b"])), one_of(json!(["a"])), NO, YES),
        ("values reordered", one_of(json!(["a", "b"])), one_of(json!(["b", "a"])), YES, YES),
        ("constant changed", field(json!({"const": 1})), field(json!({"const": 2})), NO, NO),
        ("constant as a list of one", field(json!({"const": "a"})), one_of(json!(["a"])), YES, YES),
        ("text to a list of texts", of_type(json!("string")), one_of(json!(["a"])), NO, YES),
        ("one and 1.0", field(json!({"const": 1})), field(json!({"const": 1.0})), YES, YES),
        ("anything to a text", field(json!(true)), of_type(json!("string")), NO, YES),
        (
            "a field that may never be there",
            record(json!({"a": false}), json!([])),
            record(json!({"a": {"type": "string"}}), json!([])),
            YES,
            NO,
        ),
    ]);
}

#[test]
fn bounds_move() {
    let text = |bounds: Value| field(with(json!({"type": "string"}), bounds));
    let number = |bounds: Value| field(with(json!({"type": "number"}), bounds));
    let whole = |bounds: Value| field(with(json!({"type": "integer"}), bounds));
    let list = |bounds: Value| field(with(json!({"type": "array", "items": {"type": "string"}}), bounds));
    check(vec![
        ("minimum raised", whole(json!({"minimum": 1})), whole(json!({"minimum": 2})), NO, YES),
        ("minimum removed", whole(json!({"minimum": 1})), whole(json!({})), YES, NO),
        ("maximum lowered", number(json!({"maximum": 10})), number(json!({"maximum": 9.5})), NO, YES),
        ("bound left out", number(json!({"minimum": 1})), number(json!({"exclusiveMinimum": 1})), NO, YES),
        ("same bound of whole numbers", whole(json!({"minimum": 1})), whole(json!({"exclusiveMinimum": 0})), YES, YES),
        (
            "huge bounds",
            whole(json!({"maximum": 9_007_199_254_740_993_u64})),
            whole(json!({"maximum": 9_007_199_254_740_992_u64})),
            NO,
            YES,
        ),
        ("finer steps", number(json!({"multipleOf": 10})), number(json!({"multipleOf": 5})), YES, NO),
        ("other steps", number(json!({"multipleOf": 2})), number(json!({"multipleOf": 3})), NO, NO),
        ("steps of one", number(json!({"multipleOf": 1})), whole(json!({})), YES, YES),
        ("longer at least", text(json!({})), text(json!({"minLength": 1})), NO, YES),
        ("shorter at most", text(json!({"maxLength": 20})), text(json!({"maxLength": 10})), NO, YES),
        ("pattern added", text(json!({})), text(json!({"pattern": "^[a-z]+$"})), NO, YES),
        ("other pattern", text(json!({"pattern": "^[a-z]+$"})), text(json!({"pattern": "^[0-9]+$"})), NO, NO),
        (
            "patterns that cannot be told apart",
            text(json!({"pattern": "^a+$"})),
            text(json!({"pattern": "^a*$"})),
            NO,
            NO,
        ),
        ("more items at least", list(json!({})), list(json!({"minItems": 1})), NO, YES),
        ("fewer items at most", list(json!({"maxItems": 3})), list(json!({"maxItems": 2})), NO, YES),
        ("items once only", list(json!({})), list(json!({"uniqueItems": true})), NO, YES),
        (
            "items once only where there is one",
            list(json!({"maxItems": 1})),
            list(json!({"maxItems": 1, "uniqueItems": true})),
            YES,
            YES,
        ),
    ]);
}

#[test]
fn formats_are_what_the_types_read() {
    let text = |format: &str| field(json!({"type": "string", "format": format}));
    let whole = |format: &str| field(json!({"type": "integer", "format": format}));
    let plain = || field(json!({"type": "string"}));
    check(vec![
        ("a format that the types read as text", plain(), text("email"), YES, YES),
        ("a format that the types read as more", plain(), text("uuid"), NO, YES),
        ("another such format", text("date-time"), text("date"), NO, NO),
        ("a wider whole number", whole("uint32"), whole("uint64"), YES, NO),
        ("a signed whole number", whole("uint32"), whole("int64"), YES, NO),
        (
            "a format said as bounds",
            whole("uint8"),
            field(json!({"type": "integer", "minimum": 0, "maximum": 255})),
            YES,
            YES,
        ),
    ]);
}
