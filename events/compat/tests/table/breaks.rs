//! The contents of a break.

use schema_compat::{Break, Direction, compare};
use serde_json::{Value, json};

use crate::{field, record, with};

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

/// Returns the broken rules, by direction and path.
fn rules(old: &Value, new: &Value) -> Vec<String> {
    let told = compare(old, new);
    let mut rules: Vec<_> = told
        .breaks
        .iter()
        .map(|broken| {
            let arrow = if broken.direction == Direction::Backward { "<" } else { ">" };
            format!("{arrow} {} {}", broken.path, broken.rule)
        })
        .collect();
    rules.sort();
    rules
}

#[test]
fn every_break_has_its_field_and_its_rule() {
    let text = |more: Value| with(json!({"type": "string"}), more);
    let list = |items: Value| json!({"type": "array", "items": items});
    let told = |old: Value, new: Value| rules(&field(old), &field(new));

    assert_eq!(told(json!({"type": "string"}), json!({"type": "integer"})), ["< /a type-changed", "> /a type-changed"]);
    assert_eq!(told(json!({"type": "number"}), json!({"type": "integer"})), ["< /a type-narrowed"]);
    assert_eq!(told(json!({"enum": ["x"]}), json!({"enum": ["x", "y"]})), ["> /a enum-value-added"]);
    assert_eq!(told(text(json!({})), text(json!({"maxLength": 3}))), ["< /a max-length-lowered"]);
    assert_eq!(told(text(json!({"format": "uuid"})), text(json!({}))), ["> /a format-removed"]);
    assert_eq!(
        told(list(text(json!({}))), list(json!({"type": "null"}))),
        ["< /a/* type-changed", "> /a/* type-changed"]
    );
    assert_eq!(
        rules(&record(json!({"old": true}), json!(["old"])), &record(json!({"new": true}), json!(["new"]))),
        ["< /new required-added", "> /old required-removed"]
    );
    assert_eq!(
        rules(&record(json!({"a/b": {"minimum": 1}}), json!([])), &record(json!({"a/b": {"minimum": 2}}), json!([]))),
        ["< /a~1b minimum-raised"]
    );
}

#[test]
fn a_break_in_a_schema_that_refers_to_itself_is_told_once() {
    let tree = |value: &str| {
        let node = json!({"v": {"type": value}, "left": {"$ref": "#"}, "right": {"$ref": "#"}});
        record(node, json!(["v"]))
    };

    assert_eq!(rules(&tree("number"), &tree("integer")), ["< /v type-narrowed"]);
}

#[test]
fn a_break_in_a_definition_used_twice_is_told_for_both() {
    let address = |required: Value| {
        let fields = json!({"home": {"$ref": "#/$defs/address"}, "work": {"$ref": "#/$defs/address"}});
        with(record(fields, json!([])), json!({"$defs": {"address": record(json!({"town": true}), required)}}))
    };

    assert_eq!(
        rules(&address(json!([])), &address(json!(["town"]))),
        ["< /home/town required-added", "< /work/town required-added"]
    );
}

#[test]
fn a_break_in_a_variant_is_told_of_the_variant_that_is_meant() {
    let variants = |size: &str| {
        let one =
            |kind: &str, of: &str| record(json!({"kind": {"const": kind}, "x": {"type": of}}), json!(["kind", "x"]));
        field(json!({"oneOf": [one("round", size), one("square", "string")]}))
    };

    assert_eq!(rules(&variants("number"), &variants("integer")), ["< /a/x type-narrowed"]);
}
