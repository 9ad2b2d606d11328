//! The end-of-support dates of old versions.

use serde_json::json;

use crate::repository::{ADDED, Repository, contact_added, search};

/// `search` reads version 1, and there is a compatible version 2.
fn with_two_versions(date: &str) -> Repository {
    let made = Repository::new();
    made.schema("contacts/contact-added.v2.json", contact_added());
    made.write("events/schemas/contacts/retirements.json", &json!({ "contact-added.v1": date }).to_string());
    assert!(made.release().ok(), "{}", made.release());
    made
}

/// Returns the rules of the problems and of the notes about retirements.
fn told(repository: &Repository) -> (Vec<&'static str>, Vec<&'static str>) {
    let report = repository.check();
    let of = |remarks: &[contracts::Remark]| {
        remarks.iter().map(|remark| remark.rule).filter(|rule| rule.starts_with("retire")).collect()
    };
    (of(&report.problems), of(&report.notes))
}

#[test]
fn before_its_end_who_still_reads_it_is_named() {
    let made = with_two_versions("2999-01-01");

    assert_eq!(told(&made), (vec![], vec!["retires"]));
    let note = made.check().notes.into_iter().find(|note| note.rule == "retires").unwrap();
    assert_eq!(note.says, "it retires on 2999-01-01, and is still read by search");
}

#[test]
fn after_its_end_it_is_a_problem_that_it_is_read() {
    assert_eq!(told(&with_two_versions("2020-01-01")), (vec!["retired-in-use"], vec![]));
}

#[test]
fn after_its_end_what_nobody_reads_can_go() {
    let made = with_two_versions("2020-01-01");
    let mut contract = search(&["/contact_id"]);
    contract["consumes"][0]["message"] = json!("contacts.contact-added.v2");
    made.service("search", contract);

    assert_eq!(told(&made), (vec![], vec!["retired"]));
}

#[test]
fn a_version_without_a_newer_one_does_not_retire() {
    let made = Repository::released();
    made.write("events/schemas/contacts/retirements.json", r#"{"contact-added.v1": "2999-01-01"}"#);

    assert!(made.path().join("events/schemas").join(ADDED).exists());
    assert_eq!(told(&made), (vec!["retires-unknown"], vec![]));
}

#[test]
fn what_is_no_date_is_refused_with_the_form() {
    let made = Repository::released();
    made.write("events/schemas/contacts/retirements.json", r#"{"contact-added.v1": "soon"}"#);

    let error = contracts::Contracts::read(made.path()).unwrap_err().to_string();

    assert!(error.contains("retirements.json") && error.contains("2027-06-30"), "{error}");
}
