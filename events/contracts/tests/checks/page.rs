//! The outputs in docs/schema-checks.md match what the commands print.

use contracts::{can_remove, drift};
use serde_json::json;

use crate::{
    broker::Answers,
    repository::{ADDED, Repository, contact_added},
};

const PAGE: &str = include_str!("../../../../docs/schema-checks.md");

fn assert_shown(text: &str) {
    assert!(PAGE.contains(&format!("```text\n{}\n```", text.trim_end())), "not on the page:\n{text}");
}

#[test]
fn a_change_of_a_released_file_looks_as_on_the_page() {
    let repository = Repository::released();
    repository.commit();
    let mut changed = contact_added();
    changed["required"] = json!(["contact_id"]);
    repository.schema(ADDED, changed);

    assert_shown(&repository.check().to_string());
}

#[test]
fn a_message_that_is_in_use_looks_as_on_the_page() {
    let contracts = Repository::new().contracts();
    let name = "contacts.contact-added.v1".parse().unwrap();

    assert_shown(&can_remove(&contracts, &name, Some(&Answers::new().broker())).unwrap().to_string());
}

#[test]
fn a_drift_looks_as_on_the_page() {
    let broker = Answers::new().without_binding("contacts.jobs").broker();

    assert_shown(&drift(&Repository::new().contracts(), &broker)[0].to_string());
}

#[test]
fn the_page_has_every_rule() {
    let rules = include_str!("../../src/check/readings.rs").to_owned()
        + include_str!("../../src/check/references.rs")
        + include_str!("../../src/check/released.rs")
        + include_str!("../../src/check/versions.rs");
    let named: Vec<_> = rules.split("Remark::new(").skip(1).map(|rest| rest.split('"').nth(1).unwrap()).collect();

    assert!(named.len() > 10, "{named:?}");
    for rule in named {
        assert!(PAGE.contains(&format!("`{rule}`")), "{rule} is not on the page");
    }
}
