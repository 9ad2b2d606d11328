//! Types, listed values, bounds and formats.

use serde_json::{Value, json};

use crate::{NO, YES, check, field, record, with};

#[test]
fn types_and_values_change() {
    let one_of = |values: Value| field(json!({"type": "string", "enum": values}));
    let of_type = |kind: Value| field(json!({"type": kind}));
    check(vec![
        ("another type", of_type(json!("string")), of_type(json!("integer")), NO, NO),
        ("integer to number", of_type(json!("integer")), of_type(json!("number")), YES, NO),
        ("number to integer", of_type(json!("number")), of_type(json!("integer")), NO, YES),
        ("nullable", of_type(json!("string")), of_type(json!(["string", "null"])), YES, NO),
        ("no longer nullable", of_type(json!(["null", "string"])), of_type(json!("string")), NO, YES),
        (
            "nullable in another notation",
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
        ("any text to listed texts", of_type(json!("string")), one_of(json!(["a"])), NO, YES),
        ("one and 1.0", field(json!({"const": 1})), field(json!({"const": 1.0})), YES, YES),
        ("any value to text", field(json!(true)), of_type(json!("string")), NO, YES),
        (
            "a field that must be absent",
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
        ("bound made exclusive", number(json!({"minimum": 1})), number(json!({"exclusiveMinimum": 1})), NO, YES),
        ("same bound for integers", whole(json!({"minimum": 1})), whole(json!({"exclusiveMinimum": 0})), YES, YES),
        (
            "huge bounds",
            whole(json!({"maximum": 9_007_199_254_740_993_u64})),
            whole(json!({"maximum": 9_007_199_254_740_992_u64})),
            NO,
            YES,
        ),
        ("smaller multipleOf", number(json!({"multipleOf": 10})), number(json!({"multipleOf": 5})), YES, NO),
        ("another multipleOf", number(json!({"multipleOf": 2})), number(json!({"multipleOf": 3})), NO, NO),
        ("multipleOf one", number(json!({"multipleOf": 1})), whole(json!({})), YES, YES),
        ("minimum length added", text(json!({})), text(json!({"minLength": 1})), NO, YES),
        ("maximum length lowered", text(json!({"maxLength": 20})), text(json!({"maxLength": 10})), NO, YES),
        ("pattern added", text(json!({})), text(json!({"pattern": "^[a-z]+$"})), NO, YES),
        ("other pattern", text(json!({"pattern": "^[a-z]+$"})), text(json!({"pattern": "^[0-9]+$"})), NO, NO),
        (
            "patterns that cannot be distinguished",
            text(json!({"pattern": "^a+$"})),
            text(json!({"pattern": "^a*$"})),
            NO,
            NO,
        ),
        ("minimum item count added", list(json!({})), list(json!({"minItems": 1})), NO, YES),
        ("maximum item count lowered", list(json!({"maxItems": 3})), list(json!({"maxItems": 2})), NO, YES),
        ("unique items", list(json!({})), list(json!({"uniqueItems": true})), NO, YES),
        (
            "unique items, at most one item",
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
        ("a format that the types read as plain text", plain(), text("email"), YES, YES),
        ("a format that the types validate", plain(), text("uuid"), NO, YES),
        ("another such format", text("date-time"), text("date"), NO, NO),
        ("a wider integer", whole("uint32"), whole("uint64"), YES, NO),
        ("a signed integer", whole("uint32"), whole("int64"), YES, NO),
        (
            "a format expressed as bounds",
            whole("uint8"),
            field(json!({"type": "integer", "minimum": 0, "maximum": 255})),
            YES,
            YES,
        ),
    ]);
}
