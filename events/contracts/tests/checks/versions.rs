//! Versions of a message compared with each other.

use contracts::Report;
use serde_json::{Value, json};

use crate::repository::{Repository, contact_added, get_contact, note, rules};

/// Returns the report for these versions, with this code as their upcasters.
fn checked(versions: &[(u32, Value)], upcasters: &str) -> Report {
    let repository = Repository::released();
    for (version, schema) in versions {
        repository.schema(&format!("contacts/contact-added.v{version}.json"), schema.clone());
    }
    repository.write("events/schemas/contacts/src/versions.rs", upcasters);
    repository.check()
}

fn split() -> Value {
    note(json!({"kind": "event"}), &["contact_id", "given_name", "family_name"])
}

fn numbered() -> Value {
    let mut schema = split();
    schema["properties"]["given_name"] = json!({"type": "integer"});
    schema
}

const TO_2: &str = "impl Supersedes for ContactAddedV2 {\n    type Old = ContactAdded;\n}\n";
const TO_3: &str = "impl Supersedes for ContactAddedV3 {\n    type Old = ContactAddedV2;\n}\n";

#[test]
fn a_version_with_one_more_optional_field_goes_with_all_before_it() {
    let mut next = contact_added();
    next["properties"]["title"] = json!({"type": "string"});

    let report = checked(&[(2, next)], "");

    assert!(report.ok() && report.notes.is_empty(), "{report}");
    assert_eq!(report.new, ["contacts/contact-added.v2.json"]);
}

#[test]
fn a_version_that_breaks_needs_an_upcaster() {
    let report =
        checked(&[(2, split())], "// ContactAddedV2 is still to be written\nimpl Supersedes for ContactAddedV21 {}");

    assert_eq!(rules(&report), ["old-messages-unread"]);
    assert!(report.problems[0].says.starts_with("breaks with v1"), "{report}");
    assert_eq!(report.problems[0].todo, "write the upcasters from v1 on in events/schemas/contacts/src/versions.rs");
}

#[test]
fn with_an_upcaster_the_break_is_a_note_that_names_whom_it_hits() {
    let report = checked(&[(2, split())], TO_2);

    assert!(report.ok(), "{report}");
    let note = &report.notes[0];
    assert_eq!(
        note.says,
        "breaks with v1: covered by the upcaster; v1 stays published beside it until it has no consumers"
    );
    let hit = note.breaks.iter().find(|hit| hit.shown.rule == "required-removed").expect("v1 asks for the name");
    assert_eq!((&*hit.shown.path, &*hit.consumers[0].service), ("/name", "search"));
}

#[test]
fn a_break_that_only_hits_old_readers_needs_no_upcaster() {
    let mut next = contact_added();
    next["required"] = json!(["contact_id"]);

    let report = checked(&[(2, next)], "");

    assert!(report.ok(), "{report}");
    assert!(report.notes[0].says.starts_with("breaks with v1: its readers read the old messages too"), "{report}");
}

#[test]
fn a_version_is_compared_with_all_before_it_and_upcasters_work_in_a_row() {
    let versions = [(2, split()), (3, numbered())];
    assert!(checked(&versions, &format!("{TO_2}{TO_3}")).ok());

    let report = checked(&versions, "impl Supersedes for ContactAddedV3 {}");

    let broken: Vec<_> = report.problems.iter().map(|problem| (&*problem.about, &problem.says[..14])).collect();
    assert_eq!(
        broken,
        [("contacts.contact-added.v2", "breaks with v1"), ("contacts.contact-added.v3", "breaks with v1")],
        "{report}"
    );
}

#[test]
fn a_request_may_be_answered_in_both_versions_instead() {
    let repository = Repository::released();
    let next = note(json!({"kind": "request", "reply": "contact-view.v1"}), &["contact_id", "account_id"]);
    repository.schema("contacts/get-contact.v2.json", next);

    let report = repository.check();
    assert!(report.ok(), "{report}");
    assert!(report.notes[0].says.contains("both are answered; v1 stays answered beside it"), "{report}");
    assert_eq!(report.notes[0].breaks[0].producers, ["search"]);

    let mut contract = crate::repository::contacts();
    contract["answers"][0]["message"] = "contacts.get-contact.v2".into();
    repository.service("contacts", contract);
    let report = repository.check();
    assert_eq!(rules(&report), ["old-messages-unread"]);
    assert_eq!(report.problems[0].todo, "let contacts answer v1 too");
}

#[test]
fn a_reply_is_only_sent_to_requests_that_name_it() {
    let repository = Repository::released();
    repository.schema("contacts/contact-view.v2.json", note(json!({"kind": "reply"}), &["full_name"]));
    repository.schema("contacts/get-contact.v2.json", get_contact("contact-view.v2"));

    let report = repository.check();

    assert!(report.ok(), "{report}");
    assert!(report.notes[0].says.contains("only sent to requests that name it"), "{report}");
}
