//! The remaining users of a message.

use contracts::{Removal, can_remove};
use serde_json::json;

use crate::{
    broker::Answers,
    repository::{ADDED, Repository, contact_added, get_contact, note, search},
};

fn asked(repository: &Repository, name: &str, answers: Option<&Answers>) -> Removal {
    let broker = answers.map(Answers::broker);
    can_remove(&repository.contracts(), &name.parse().unwrap(), broker.as_ref()).unwrap()
}

/// Moves search to version 2.
fn moved() -> Repository {
    let repository = Repository::new();
    repository.schema("contacts/contact-added.v2.json", contact_added());
    let mut contract = search(&["/name"]);
    contract["consumes"][0]["message"] = "contacts.contact-added.v2".into();
    repository.service("search", contract);
    repository
}

#[test]
fn code_and_broker_say_who_still_consumes_an_event() {
    let told = asked(&Repository::new(), "contacts.contact-added.v1", Some(&Answers::new()));

    assert!(!told.ok());
    assert_eq!(
        told.users,
        [
            "search, which reads /contact_id, /name, /emails/* of contacts.contact-added.v1",
            "the queue search.events on the broker, bound with contact-added.v1 (messages: 2, consumers: 0)",
        ]
    );
    assert!(told.to_string().contains("there is no newer version"), "{told}");
}

#[test]
fn a_binding_of_an_older_build_counts_though_the_code_has_moved() {
    let told = asked(&moved(), "contacts.contact-added.v1", Some(&Answers::new()));

    assert_eq!(told.users.len(), 1, "{told}");
    assert!(told.users[0].starts_with("the queue search.events on the broker, bound with contact-added.v1"), "{told}");
}

#[test]
fn a_queue_that_gets_the_newer_version_too_needs_the_older_no_more() {
    let mut answers = Answers::new();
    answers.bind("events.contacts", "search.events", "contact-added.v2", "contact-added.v2");

    let told = asked(&moved(), "contacts.contact-added.v1", Some(&answers));
    assert!(told.ok(), "{told}");
    assert!(
        told.notes[0].ends_with("gets contacts.contact-added.v2 too, and that is what its service reads"),
        "{told}"
    );

    let not_moved = Repository::new();
    not_moved.schema("contacts/contact-added.v2.json", contact_added());
    assert_eq!(asked(&not_moved, "contacts.contact-added.v1", Some(&answers)).users.len(), 2);
    answers.bind("events.contacts", "stranger", "contact-added.v1", "contact-added.v1");
    answers.bind("events.contacts", "stranger", "contact-added.v2", "contact-added.v2");
    assert_eq!(asked(&moved(), "contacts.contact-added.v1", Some(&answers)).users.len(), 1);
}

#[test]
fn what_nobody_needs_can_be_removed_and_it_is_said_how() {
    let answers = Answers::new().without_binding("search.events");

    let told = asked(&moved(), "contacts.contact-added.v1", Some(&answers)).to_string();
    assert!(told.starts_with("contacts.contact-added.v1 can be removed\nnewer: contacts.contact-added.v2\n"), "{told}");
    assert!(told.contains("until DOWNCAST of contacts.contact-added.v2 is None"), "{told}");
    assert!(told.contains("parked list --name contacts.contact-added.v1"), "{told}");

    let told = asked(&moved(), "contacts.contact-added.v2", None).to_string();
    assert!(told.contains("there is no newer version") && told.contains("in one change"), "{told}");
}

#[test]
fn offline_only_the_code_is_asked_and_that_is_said() {
    let told = asked(&moved(), "contacts.contact-added.v1", None);

    assert!(told.ok() && told.to_string().contains("the broker was not queried"), "{told}");
}

#[test]
fn a_pattern_of_a_topic_exchange_counts_too() {
    let users = |pattern: &str| {
        let mut answers = Answers::new().without_binding("search.events");
        answers.bind("events.contacts", "search.events", pattern, "x");
        asked(&moved(), "contacts.contact-added.v1", Some(&answers)).users.len()
    };

    for pattern in ["#", "*.v1", "contact-added.*", "contact-added.#", "#.v1", "contact-added.v1.#", "*.*"] {
        assert_eq!(users(pattern), 1, "{pattern}");
    }
    for pattern in ["*", "*.v2", "contact-added", "contact-added.v1.*", "*.*.*", ""] {
        assert_eq!(users(pattern), 0, "{pattern}");
    }
}

#[test]
fn a_request_and_a_job_are_needed_by_who_answers_and_works() {
    let repository = Repository::new();

    let told = asked(&repository, "contacts.get-contact.v1", Some(&Answers::new()));
    assert_eq!(told.users[0], "contacts, which reads /contact_id of contacts.get-contact.v1");
    assert!(told.users[1].starts_with("the queue contacts.requests on the broker"), "{told}");
    assert!(told.notes[0].ends_with("possible producers: search"), "{told}");
    let told = asked(&repository, "contacts.import-file.v1", Some(&Answers::new()));
    assert!(told.users[1].starts_with("the queue contacts.jobs on the broker"), "{told}");
}

#[test]
fn a_reply_is_needed_by_the_requests_that_name_it() {
    let repository = Repository::new();
    let told = asked(&repository, "contacts.contact-view.v1", None);
    assert_eq!(told.users, ["the request contacts.get-contact.v1, whose reply it is"]);

    repository.schema("contacts/contact-view.v2.json", note(json!({"kind": "reply"}), &["name"]));
    repository.schema("contacts/get-contact.v1.json", get_contact("contact-view.v2"));
    assert!(asked(&repository, "contacts.contact-view.v1", None).ok());
}

#[test]
fn a_file_that_another_refers_to_is_needed() {
    let repository = Repository::new();
    repository.schema("contacts/contact-view.v2.json", note(json!({"kind": "reply"}), &["name"]));
    repository.schema("contacts/get-contact.v1.json", get_contact("contact-view.v2"));
    let mut page = contact_added();
    page["properties"]["views"] = json!({"type": "array", "items": {"$ref": "contact-view.v1.json#/properties/name"}});
    repository.schema(ADDED, page);

    let told = asked(&repository, "contacts.contact-view.v1", None);

    assert_eq!(told.users, ["the schema of contacts.contact-added.v1, which refers to it"]);
}

#[test]
fn a_message_that_is_not_there_is_an_error_that_names_those_that_are() {
    let contracts = Repository::new().contracts();
    let error = |name: &str| can_remove(&contracts, &name.parse().unwrap(), None).unwrap_err().to_string();

    let known = error("contacts.contact-added.v3");
    assert_eq!(known, "there is no message contacts.contact-added.v3: contacts.contact-added.v1");
    assert!(error("contacts.nothing.v1").ends_with("see events/schemas"));
}
