//! Comparison of two files.

use contracts::{compare_files, comparison_text};
use serde_json::{Value, json};

use crate::repository::Repository;

fn files(old: &str, new: &str) -> Repository {
    let files = Repository::new();
    files.write("old/a.json", old);
    files.write("new/b.json", new);
    files
}

fn compared(old: &Value, new: &Value) -> Result<Value, String> {
    let files = files(&old.to_string(), &new.to_string());
    let told = compare_files(&files.path().join("old/a.json"), &files.path().join("new/b.json"));
    told.map(|told| serde_json::to_value(told).unwrap()).map_err(|error| error.to_string())
}

fn refused(old: &str) -> String {
    let files = files(old, "{}");
    compare_files(&files.path().join("old/a.json"), &files.path().join("new/b.json")).unwrap_err().to_string()
}

#[test]
fn a_new_optional_field_is_safe_both_ways() {
    let old = json!({"type": "object", "properties": {"name": {"type": "string"}}});
    let new = json!({"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}});

    let told = compared(&old, &new).unwrap();

    assert_eq!(told, json!({"backward": true, "forward": true, "full": true, "breaks": []}));
}

#[test]
fn a_new_required_field_is_a_break_with_its_path_rule_and_document() {
    let old = json!({"type": "object", "properties": {"name": {"type": "string"}}});
    let mut new = old.clone();
    new["required"] = json!(["name"]);

    let told = compared(&old, &new).unwrap();

    assert_eq!((&told["backward"], &told["forward"], &told["full"]), (&json!(false), &json!(true), &json!(false)));
    let shown = &told["breaks"][0];
    assert_eq!((&shown["path"], &shown["rule"]), (&json!("/name"), &json!("required-added")));
    assert_eq!(shown["witness"], json!({}));
}

#[test]
fn a_person_reads_path_rule_sentence_whom_it_hits_and_the_document() {
    let files =
        files(r#"{"properties": {"name": {"type": "string"}}}"#, r#"{"properties": {"name": {"type": "null"}}}"#);

    let told = compare_files(&files.path().join("old/a.json"), &files.path().join("new/b.json")).unwrap();

    let text = comparison_text(&told);
    assert!(text.contains("): no\n"), "{text}");
    assert!(text.contains("\n/name  type-changed: "), "{text}");
    assert!(text.contains("\n  hits consumers that move to the new schema"), "{text}");
    assert!(text.contains("\n  document {\"name\":\""), "{text}");
}

#[test]
fn each_file_is_compared_with_the_files_beside_it() {
    let refers = json!({"properties": {"who": {"$ref": "person.json"}}}).to_string();
    let files = files(&refers, &refers);
    files.write("old/person.json", r#"{"type": "string"}"#);
    files.write("new/person.json", r#"{"type": "integer"}"#);
    let (old, new) = (files.path().join("old/a.json"), files.path().join("new/b.json"));

    assert!(compare_files(&old, &old).unwrap().full());
    assert_eq!(compare_files(&old, &new).unwrap().breaks[0].path, "/who");
}

#[test]
fn a_file_that_is_not_there_counts_as_not_compatible_and_is_named() {
    let refers = json!({"properties": {"who": {"$ref": "person.json"}}});

    let told = compared(&refers, &json!({"type": "object"})).unwrap();

    assert_eq!((&told["full"], &told["breaks"][0]["rule"]), (&json!(false), &json!("undecided")));
    assert!(told["breaks"][0]["message"].as_str().unwrap().contains("person.json"), "{told}");
}

#[test]
fn what_is_no_schema_is_refused_with_the_file_and_the_reason() {
    assert!(refused("{").contains("a.json: it is not JSON: "), "{}", refused("{"));
    assert!(refused("[]").contains("a.json: it is not a valid JSON Schema: "), "{}", refused("[]"));
    let wrong = refused(r#"{"properties": {"a": {"type": "text"}}}"#);
    assert!(wrong.contains("/properties/a/type"), "{wrong}");
    let files = files("{}", "{}");
    let missing = compare_files(&files.path().join("none.json"), &files.path().join("new/b.json")).unwrap_err();
    assert!(missing.to_string().contains("none.json: No such file"), "{missing}");
}

#[test]
fn a_neighbour_that_is_not_json_is_refused_by_its_own_name() {
    let files = files(r#"{"$ref": "person.json"}"#, "{}");
    files.write("old/person.json", "{");

    let refused = compare_files(&files.path().join("old/a.json"), &files.path().join("new/b.json")).unwrap_err();

    assert!(refused.to_string().contains("old/person.json: it is not JSON"), "{refused}");
}

#[test]
fn an_older_dialect_is_put_into_ours_and_an_unknown_one_refused() {
    let older = json!({"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"});
    assert_eq!(compared(&older, &json!({"type": "object"})).unwrap()["full"], true);

    let unknown = refused(r#"{"$schema": "https://example.org/my-own"}"#);
    assert!(unknown.contains("another dialect: https://example.org/my-own"), "{unknown}");
}
