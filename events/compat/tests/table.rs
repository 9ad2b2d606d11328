//! One change a line, with the answer both ways.

#![allow(clippy::unwrap_used)]

use schema_compat::{Break, compare};
use serde_json::{Value, json};

const YES: bool = true;
const NO: bool = false;

/// What changed, before and after, then whether it is safe backward and forward.
type Row = (&'static str, Value, Value, bool, bool);

/// A record with one field.
fn field(schema: Value) -> Value {
    json!({"type": "object", "properties": {"a": schema}, "required": ["a"]})
}

fn record(properties: Value, required: Value) -> Value {
    json!({"type": "object", "properties": properties, "required": required})
}

fn check(rows: Vec<Row>) {
    let mut wrong = vec![];
    for (change, old, new, backward, forward) in rows {
        let told = compare(&old, &new);
        for broken in told.breaks.iter().filter(|broken| broken.rule != "undecided") {
            assert!(broken.witness.is_some(), "{change}: no witness for {}", broken.rule);
        }
        if (told.backward.is_compatible(), told.forward.is_compatible()) != (backward, forward) {
            wrong.push(format!("{change}: {}", serde_json::to_string(&told).unwrap()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

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
            "a free map is no record",
            field(json!({"type": "object"})),
            field(record(json!({"a": text()}), json!([]))),
            NO,
            YES,
        ),
        (
            "optional added where a reader refuses the unknown",
            json!({"properties": {"a": true}, "additionalProperties": false}),
            json!({"properties": {"a": true, "b": true}, "additionalProperties": false}),
            YES,
            NO,
        ),
        (
            "the unknown is refused from now on",
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
            "fewer fields at most",
            json!({"properties": {"a": true, "b": true}}),
            json!({"properties": {"a": true, "b": true}, "maxProperties": 1}),
            NO,
            YES,
        ),
    ]);
}

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
            "place added",
            field(json!({"type": "array", "prefixItems": [text()], "items": false})),
            field(json!({"type": "array", "prefixItems": [text(), text()], "items": false})),
            YES,
            NO,
        ),
        (
            "place changed",
            field(json!({"type": "array", "prefixItems": [text()]})),
            field(json!({"type": "array", "prefixItems": [{"type": "null"}]})),
            NO,
            NO,
        ),
        ("a map of more", map(json!({"type": "integer"})), map(json!({"type": "number"})), YES, NO),
        ("a map said to be free", map(json!({"type": "integer"})), map(json!(true)), YES, NO),
        ("a map by rule", rules("^x-", text()), rules("^x-", json!({"type": ["string", "null"]})), YES, NO),
        ("a record becomes a map", field(record(json!({"x": text()}), json!([]))), map(text()), YES, YES),
    ]);
}

#[test]
fn variants_come_and_go() {
    let variant = |kind: &str, more: Value| {
        let mut schema = record(json!({"kind": {"const": kind}}), json!(["kind"]));
        schema["properties"].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        schema
    };
    let text = || json!({"type": "string"});
    let one = |variants: Vec<Value>| field(json!({"oneOf": variants}));
    let any = |variants: Vec<Value>| field(json!({"anyOf": variants}));
    let (a, b, c) = (variant("a", json!({"x": text()})), variant("b", json!({"y": text()})), variant("c", json!({})));
    check(vec![
        ("same", one(vec![a.clone(), b.clone()]), one(vec![b.clone(), a.clone()]), YES, YES),
        ("variant added", one(vec![a.clone(), b.clone()]), one(vec![a.clone(), b.clone(), c.clone()]), YES, NO),
        ("variant removed", any(vec![a.clone(), b.clone(), c.clone()]), any(vec![a.clone(), b.clone()]), NO, YES),
        ("one of, any of", one(vec![a.clone(), b.clone()]), any(vec![a.clone(), b.clone()]), YES, YES),
        (
            "optional field in a variant",
            one(vec![a.clone(), b.clone()]),
            one(vec![variant("a", json!({"x": text(), "z": text()})), b.clone()]),
            YES,
            YES,
        ),
        (
            "a field of a variant changes",
            one(vec![a.clone(), b.clone()]),
            one(vec![variant("a", json!({"x": {"type": "integer"}})), b.clone()]),
            NO,
            NO,
        ),
        (
            "a variant widens",
            one(vec![json!({"type": "string", "maxLength": 3})]),
            one(vec![json!({"type": "string"}), json!({"type": "integer"})]),
            YES,
            NO,
        ),
        (
            "all of, said at once",
            field(json!({"allOf": [{"type": "string"}, {"maxLength": 3}]})),
            field(json!({"type": "string", "maxLength": 3})),
            YES,
            YES,
        ),
        (
            "optional field beside a base",
            json!({"allOf": [record(json!({"a": text()}), json!(["a"]))], "properties": {"b": text()}}),
            record(json!({"a": text(), "b": text(), "c": text()}), json!(["a"])),
            YES,
            YES,
        ),
    ]);
}

#[test]
fn what_is_not_meant_does_not_count() {
    let nested = || record(json!({"x": {"type": "string"}}), json!(["x"]));
    let moved = json!({"type": "object", "properties": {"a": {"$ref": "#/$defs/Elsewhere"}}, "required": ["a"],
        "$defs": {"Elsewhere": nested()}});
    let named = json!({"type": "object", "properties": {"a": {"$ref": "#here"}}, "required": ["a"],
        "$defs": {"Other": {"$anchor": "here", "allOf": [nested()]}}});
    let list = |extra: Value| {
        json!({"$ref": "#/$defs/n", "$defs": {"n": record(with_map(
        json!({"v": {"type": "integer"}, "next": {"$ref": "#/$defs/n"}}), extra), json!(["v"]))}})
    };
    check(vec![
        ("moved to a definition", field(nested()), moved.clone(), YES, YES),
        ("a definition renamed", moved, named, YES, YES),
        (
            "described",
            field(nested()),
            with(field(nested()), json!({"description": "new", "title": "T", "examples": [1]})),
            YES,
            YES,
        ),
        (
            "annotated",
            field(json!({"type": "string"})),
            field(json!({"type": "string", "x-personal-data": true})),
            YES,
            YES,
        ),
        ("kind of message", field(nested()), with(field(nested()), json!({"x-kith": {"kind": "event"}})), YES, YES),
        ("refers to itself", list(json!({})), list(json!({})), YES, YES),
        ("optional field where it refers to itself", list(json!({})), list(json!({"w": {"type": "string"}})), YES, YES),
        ("widened where it refers to itself", list(json!({})), list(json!({"v": {"type": "number"}})), YES, NO),
        (
            "refers to the whole",
            json!({"properties": {"n": {"$ref": "#"}, "v": {"type": "integer"}}}),
            json!({"properties": {"n": {"$ref": "#"}, "v": {"type": "string"}}}),
            NO,
            NO,
        ),
    ]);
}

#[test]
fn older_dialects_mean_what_they_meant() {
    let draft = |schema: Value| with(schema, json!({"$schema": "http://json-schema.org/draft-07/schema#"}));
    let places = json!({"items": [{"type": "string"}], "additionalItems": false});
    check(vec![
        ("places", draft(places.clone()), json!({"prefixItems": [{"type": "string"}], "items": false}), YES, YES),
        (
            "without a name of the dialect",
            places,
            json!({"prefixItems": [{"type": "string"}], "items": false}),
            YES,
            YES,
        ),
        ("items beyond places say nothing without them", draft(json!({"additionalItems": false})), json!({}), YES, YES),
        (
            "a bound left out",
            draft(json!({"minimum": 1, "exclusiveMinimum": true})),
            json!({"exclusiveMinimum": 1}),
            YES,
            YES,
        ),
        (
            "a field of an old keyword's name",
            draft(record(json!({"additionalItems": {"type": "string"}}), json!([]))),
            record(json!({"additionalItems": {"type": "string"}}), json!([])),
            YES,
            YES,
        ),
        (
            "dependent fields",
            draft(json!({"properties": {"a": true, "b": true}, "dependencies": {"a": ["b"]}})),
            json!({"properties": {"a": true, "b": true}, "dependentRequired": {"a": ["b"]}}),
            YES,
            YES,
        ),
        (
            "a reference stands alone",
            draft(
                json!({"properties": {"a": {"$ref": "#/definitions/t", "maxLength": 1}}, "definitions": {"t": {"type": "string"}}}),
            ),
            json!({"properties": {"a": {"type": "string"}}}),
            YES,
            YES,
        ),
    ]);
}

#[test]
fn what_cannot_be_decided_is_not_safe() {
    let dynamic = json!({"$dynamicRef": "#meta", "$defs": {"a": {"$dynamicAnchor": "meta"}}});
    let beyond = json!({"properties": {"a": {"$ref": "https://example.org/other.json"}}});
    let unknown_dialect = json!({"$schema": "https://example.org/a-dialect-of-ours"});
    for schema in [dynamic, beyond, unknown_dialect, json!({"type": 3})] {
        let told = compare(&schema, &schema);

        assert!(!told.backward.is_compatible() && !told.forward.is_compatible(), "{schema}");
        assert!(told.breaks.iter().all(|broken| broken.rule == "undecided" && broken.witness.is_none()));
    }
}

#[test]
fn a_break_says_where_why_whom_and_shows_a_document() {
    let old = json!({"type": "object", "properties": {"items": {"type": "array", "items": record(json!({"name": {"type": "string"}}), json!([]))}}});
    let new = json!({"type": "object", "properties": {"items": {"type": "array", "items": record(json!({"name": {"type": "string"}}), json!(["name"]))}}});

    let told = compare(&old, &new);

    let [Break { path, rule, witness, hits, .. }] = &told.breaks[..] else { panic!("{:?}", told.breaks) };
    assert_eq!((path.as_str(), *rule), ("/items/*/name", "required-added"));
    assert_eq!(witness, &Some(json!({"items": [{}]})));
    assert!(hits.contains("move to the new schema"));
    let as_json = serde_json::to_value(&told).unwrap();
    assert_eq!(
        (&as_json["backward"], &as_json["forward"], &as_json["full"]),
        (&json!(false), &json!(true), &json!(false))
    );
    assert_eq!(as_json["breaks"][0]["direction"], "backward");
}

fn with(mut schema: Value, more: Value) -> Value {
    schema.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    schema
}

fn with_map(map: Value, more: Value) -> Value {
    with(map, more)
}
