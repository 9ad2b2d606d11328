//! Messages and fields that services read, and what a schema names, must exist.

use serde_json::{Value, json};

use crate::repository::{ADDED, Repository, contact_added, contacts, get_contact, note, rules, search};

/// Returns the findings for a repository in which search reads these fields of an added contact.
fn reading(schema: Value, fields: &[&str]) -> Vec<String> {
    let repository = Repository::new();
    repository.schema(ADDED, schema);
    repository.service("search", search(fields));
    let report = repository.check();
    report.problems.iter().filter(|problem| problem.rule == "field-missing").map(|found| found.says.clone()).collect()
}

#[test]
fn a_field_that_is_not_in_the_schema_is_named_with_its_consumer() {
    assert_eq!(reading(contact_added(), &["/contact_id", "/name", "/emails/*", "/emails"]), [""; 0]);
    assert_eq!(
        reading(contact_added(), &["/nickname"]),
        ["reads /nickname of contacts.contact-added.v1, which has no such field"]
    );
    assert_eq!(reading(contact_added(), &["/name/*"]).len(), 1);
    assert_eq!(reading(contact_added(), &["name"]).len(), 1);
}

#[test]
fn fields_are_found_behind_references_variants_and_in_maps() {
    let mut schema = contact_added();
    schema["$defs"] = json!({
        "Tree": {"type": "object", "properties": {"leaf": {"type": "string"}, "next": {"$ref": "#/$defs/Tree"}}}
    });
    schema["properties"]["tree"] = json!({"anyOf": [{"$ref": "#/$defs/Tree"}, {"type": "null"}]});
    schema["properties"]["labels"] = json!({"type": "object", "additionalProperties": {"type": "string"}});
    schema["properties"]["anything"] = json!({"type": ["object", "null"]});
    schema["properties"]["pair"] = json!({"type": "array", "prefixItems": [{"$ref": "#/$defs/Tree"}], "items": false});
    schema["properties"]["a/b"] = json!({"type": "string"});

    let known = ["/tree/next/next/leaf", "/labels/*", "/labels/color", "/anything/*", "/pair/*/leaf", "/a~1b"];
    assert_eq!(reading(schema.clone(), &known), [""; 0]);
    let unknown = ["/tree/next/root", "/labels/*/x", "/pair/*/root", "/contact_id/*", "/a"];
    assert_eq!(reading(schema, &unknown).len(), unknown.len());
}

#[test]
fn a_field_in_another_file_is_found() {
    let repository = Repository::new();
    let mut schema = contact_added();
    schema["properties"]["view"] = json!({"$ref": "contact-view.v1.json"});
    repository.schema(ADDED, schema);

    repository.service("search", search(&["/view/name"]));
    assert!(repository.release().ok(), "{}", repository.release());
    repository.service("search", search(&["/view/age"]));
    assert_eq!(rules(&repository.check()), ["field-missing"]);
}

#[test]
fn a_consumed_message_is_there_and_of_its_kind() {
    let repository = Repository::released();
    let mut contract = search(&["/name"]);
    contract["consumes"][0]["message"] = "contacts.contact-added.v7".into();
    repository.service("search", contract.clone());

    let report = repository.check();
    assert_eq!((rules(&report), &*report.problems[0].about), (vec!["message-missing"], "search"));
    assert!(report.problems[0].says.ends_with("there is contacts.contact-added.v1"), "{report}");

    contract["consumes"][0]["message"] = "contacts.contact-view.v1".into();
    repository.service("search", contract);
    assert_eq!(rules(&repository.check()), ["kind-wrong"]);
}

#[test]
fn an_owner_is_a_service() {
    let repository = Repository::released();
    repository.schema("nobody/happened.v1.json", note(json!({"kind": "event"}), &["id"]));
    assert_eq!(rules(&repository.check()), ["owner-missing"]);

    let mut contract = contacts();
    contract["service"] = "nobody".into();
    for list in ["answers", "jobs"] {
        contract[list] = json!([]);
    }
    repository.service("nobody", contract);
    assert!(repository.check().ok(), "{}", repository.check());
}

#[test]
fn a_reply_is_there_and_is_a_reply() {
    let repository = Repository::released();
    repository.schema("contacts/find-contact.v1.json", get_contact("contact-found.v1"));
    assert_eq!(rules(&repository.check()), ["reply-missing"]);

    repository.schema("contacts/find-contact.v1.json", get_contact("contact-added.v1"));
    assert_eq!(rules(&repository.check()), ["reply-missing"]);

    repository.schema("contacts/find-contact.v1.json", get_contact("contact-view.v1"));
    assert!(repository.check().ok(), "{}", repository.check());
}

#[test]
fn a_file_that_a_schema_refers_to_is_there() {
    let repository = Repository::released();
    let mut schema = note(json!({"kind": "event"}), &["id"]);
    schema["properties"]["view"] = json!({"$ref": "contact-view.v9.json"});
    schema["examples"] = json!([{"$ref": "no reference, but an example"}]);
    repository.schema("contacts/seen.v1.json", schema.clone());
    assert_eq!(rules(&repository.check()), ["reference-missing"]);

    schema["properties"]["view"]["$ref"] = "contact-view.v1.json".into();
    repository.schema("contacts/seen.v1.json", schema);
    assert!(repository.check().ok(), "{}", repository.check());
}

#[test]
fn a_service_without_a_contract_stops_the_check_and_says_what_to_do() {
    let repository = Repository::released();
    repository.remove("services/search/contract.json");

    let error = contracts::check_repository(repository.path()).unwrap_err().to_string();

    assert!(error.contains("search/contract.json") && error.contains("cargo xtask events contracts"), "{error}");
}
