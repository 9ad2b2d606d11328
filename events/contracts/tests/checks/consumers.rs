//! Who reads what.

use contracts::consumers_text;

use crate::repository::{Repository, search};

fn told(repository: &Repository, name: &str, field: Option<&str>) -> Result<String, String> {
    consumers_text(&repository.contracts(), &name.parse().unwrap(), field).map_err(|error| error.to_string())
}

#[test]
fn the_readers_of_a_message_and_of_a_field_are_named() {
    let repository = Repository::new();
    let event = "contacts.contact-added.v1";

    assert_eq!(
        told(&repository, event, None).unwrap(),
        "search, which reads /contact_id, /name, /emails/* of contacts.contact-added.v1"
    );
    assert_eq!(told(&repository, event, Some("/emails")).unwrap(), format!("search, which reads /emails/* of {event}"));
    assert_eq!(
        told(&repository, event, Some("/company")).unwrap(),
        format!("no consumer of ours reads /company of {event}")
    );
}

#[test]
fn a_consumer_that_reads_no_field_still_consumes_the_message() {
    let repository = Repository::new();
    repository.service("search", search(&[]));

    let event = "contacts.contact-added.v1";
    assert_eq!(told(&repository, event, None).unwrap(), format!("search, which reads no field of {event}"));
    assert_eq!(told(&repository, event, Some("/name")).unwrap(), format!("no consumer of ours reads /name of {event}"));
}

#[test]
fn a_message_that_nobody_reads_says_so() {
    let repository = Repository::new();
    let mut contract = search(&[]);
    contract["consumes"] = serde_json::json!([]);
    repository.service("search", contract);

    let event = "contacts.contact-added.v1";
    assert_eq!(told(&repository, event, None).unwrap(), format!("no consumer of ours reads {event}"));
}

#[test]
fn the_readers_of_a_reply_are_those_that_may_ask() {
    let reply = told(&Repository::new(), "contacts.contact-view.v1", None).unwrap();

    assert!(reply.starts_with("search, which may ask for contacts.contact-view.v1"), "{reply}");
}

#[test]
fn a_field_or_message_that_is_not_there_is_an_error_that_says_what_to_do() {
    let repository = Repository::new();

    let error = told(&repository, "contacts.contact-added.v1", Some("name")).unwrap_err();
    assert!(error.contains("has no field name: write it as /name"), "{error}");
    assert!(told(&repository, "contacts.contact-added.v2", None).unwrap_err().contains("there is no message"));
}
