//! Variants, definitions, dialects, and undecidable cases.

use schema_compat::compare;
use serde_json::{Value, json};

use crate::{NO, YES, check, field, record, with};

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
        json!({"$ref": "#/$defs/n", "$defs": {"n": record(with(
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
            "refers to the root",
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
        ("tuple items", draft(places.clone()), json!({"prefixItems": [{"type": "string"}], "items": false}), YES, YES),
        ("without a dialect", places, json!({"prefixItems": [{"type": "string"}], "items": false}), YES, YES),
        (
            "additionalItems has no effect without tuple items",
            draft(json!({"additionalItems": false})),
            json!({}),
            YES,
            YES,
        ),
        (
            "an exclusive bound",
            draft(json!({"minimum": 1, "exclusiveMinimum": true})),
            json!({"exclusiveMinimum": 1}),
            YES,
            YES,
        ),
        (
            "a field named like an old keyword",
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
