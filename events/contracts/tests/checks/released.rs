//! A released file never changes.

use serde_json::json;

use crate::repository::{ADDED, Repository, contact_added, rules, search};

#[test]
fn released_files_that_are_as_they_were_are_fine() {
    let report = Repository::released().check();

    assert!(report.ok(), "{report}");
    assert_eq!((report.released, report.new.len()), (4, 0));
}

#[test]
fn a_change_that_breaks_a_consumer_names_it_with_field_rule_and_document() {
    let repository = Repository::released();
    repository.commit();
    let mut changed = contact_added();
    changed["required"] = json!(["contact_id"]);
    repository.schema(ADDED, changed);

    let report = repository.check();

    assert_eq!(rules(&report), ["released-changed"]);
    let [hit] = &report.problems[0].breaks[..] else { panic!("{report}") };
    assert_eq!((&*hit.shown.path, hit.shown.rule), ("/name", "required-removed"));
    assert_eq!(hit.shown.witness, Some(json!({"contact_id": ""})));
    assert_eq!(hit.producers, ["contacts"]);
    assert_eq!(hit.consumers[0].service, "search");
    assert_eq!(hit.consumers[0].reads.as_deref(), Some(&["/name".to_owned()][..]));
    assert!(report.problems[0].todo.contains("contacts/contact-added.v2.json"), "{report}");
}

#[test]
fn a_change_of_a_field_that_nobody_reads_says_so_and_fails_all_the_same() {
    let repository = Repository::released();
    repository.commit();
    let mut changed = contact_added();
    changed["properties"]["company"] = json!({"type": "integer"});
    repository.schema(ADDED, changed.clone());

    let report = repository.check();

    assert_eq!(rules(&report), ["released-changed"]);
    assert!(report.to_string().contains("no consumer of ours reads it"), "{report}");
    repository.service("search", search(&["/company"]));
    let report = repository.check();
    assert!(report.to_string().contains("hits search, which reads /company"), "{report}");
}

#[test]
fn a_change_that_breaks_nothing_fails_too() {
    let repository = Repository::released();
    repository.commit();
    let mut changed = contact_added();
    changed["properties"]["title"] = json!({"type": "string"});
    repository.schema(ADDED, changed);

    let report = repository.check();

    assert_eq!(rules(&report), ["released-changed"]);
    assert!(report.problems[0].says.ends_with("nothing would break, but released files never change"), "{report}");
}

#[test]
fn what_is_committed_already_is_found_too() {
    let repository = Repository::released();
    repository.commit();
    let mut changed = contact_added();
    changed["properties"]["name"] = json!({"type": "integer"});
    repository.schema(ADDED, changed);
    repository.commit();

    let report = repository.check();

    assert_eq!(report.problems[0].breaks[0].shown.rule, "type-changed", "{report}");
}

#[test]
fn without_git_the_digests_are_told() {
    let repository = Repository::released();
    repository.write(&format!("events/schemas/{ADDED}"), &format!("{:#}", contact_added()));

    let report = repository.check();

    assert_eq!(rules(&report), ["released-changed"]);
    assert!(report.problems[0].says.contains("its SHA-256 is"), "{report}");
    assert!(report.problems[0].says.contains("Git has no commit"), "{report}");
}

#[test]
fn a_reply_hits_those_that_may_ask_for_it() {
    let repository = Repository::released();
    repository.commit();
    let changed = crate::repository::note(json!({"kind": "reply"}), &["name", "age"]);
    repository.schema("contacts/contact-view.v1.json", changed);

    let report = repository.check();

    let hit = &report.problems[0].breaks[0];
    assert_eq!((&*hit.shown.path, &*hit.consumers[0].service), ("/age", "search"), "{report}");
    assert!(report.to_string().contains("search, which may ask for contacts.contact-view.v1"), "{report}");
}

#[test]
fn a_field_that_a_closed_reader_refuses_hits_whoever_reads_what_it_lies_in() {
    let repository = Repository::new();
    let mut closed = contact_added();
    closed["additionalProperties"] = json!(false);
    repository.schema(ADDED, closed.clone());
    assert!(repository.release().ok());
    repository.commit();
    closed["properties"]["title"] = json!({"type": "string"});
    repository.schema(ADDED, closed);

    let report = repository.check();

    let hit = &report.problems[0].breaks[0];
    assert_eq!((&*hit.shown.path, hit.shown.rule), ("/title", "field-added-to-closed"), "{report}");
    assert_eq!(hit.consumers[0].service, "search", "{report}");
}

#[test]
fn a_released_file_that_is_gone_fails() {
    let repository = Repository::released();
    repository.remove("events/schemas/contacts/import-file.v1.json");

    let report = repository.check();

    assert_eq!(rules(&report), ["released-missing", "message-missing"]);
    assert!(report.problems[0].todo.contains("can-remove contacts.import-file.v1"), "{report}");
}
