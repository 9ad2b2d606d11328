//! The readers of messages and fields.

use contracts::consumers_text;

use serde_json::{Value, json};

use crate::repository::{ADDED, Repository, contact_added, search};

const EVENT: &str = "contacts.contact-added.v1";

fn told(repository: &Repository, name: &str, field: Option<&str>) -> Result<String, String> {
    consumers_text(&repository.contracts(), &name.parse().unwrap(), field).map_err(|error| error.to_string())
}

#[test]
fn the_readers_of_a_message_and_of_a_field_are_named() {
    let repository = Repository::new();
    assert_eq!(
        told(&repository, EVENT, None).unwrap(),
        "search, which reads /contact_id, /name, /emails/* of contacts.contact-added.v1"
    );
    assert_eq!(told(&repository, EVENT, Some("/emails")).unwrap(), format!("search, which reads /emails/* of {EVENT}"));
    assert_eq!(
        told(&repository, EVENT, Some("/company")).unwrap(),
        format!("no consumer of ours reads /company of {EVENT}")
    );
}

#[test]
fn a_field_that_is_only_read_in_part_is_read_there_alone() {
    let repository = Repository::new();
    repository.schema(ADDED, with_full_name());
    repository.service("search", search(&["/contact_id", "/name", "/name/full"]));
    let reads = |field| told(&repository, EVENT, Some(field)).unwrap();

    assert_eq!(reads("/name"), format!("search, which reads /name/full of {EVENT}"));
    assert_eq!(reads("/name/full"), format!("search, which reads /name/full of {EVENT}"));
    assert_eq!(reads("/name/given"), format!("no consumer of ours reads /name/given of {EVENT}"));
    repository.service("search", search(&["/name"]));
    assert_eq!(reads("/name/given"), format!("search, which reads /name of {EVENT}"));
}

fn with_full_name() -> Value {
    let mut schema = contact_added();
    let text = json!({"type": "string"});
    schema["properties"]["name"] = json!({"type": "object", "properties": {"full": text, "given": text}});
    schema
}

#[test]
fn a_consumer_that_reads_no_field_still_consumes_the_message() {
    let repository = Repository::new();
    repository.service("search", search(&[]));

    assert_eq!(told(&repository, EVENT, None).unwrap(), format!("search, which reads no field of {EVENT}"));
    assert_eq!(told(&repository, EVENT, Some("/name")).unwrap(), format!("no consumer of ours reads /name of {EVENT}"));
}

#[test]
fn a_message_that_nobody_reads_says_so() {
    let repository = Repository::new();
    let mut contract = search(&[]);
    contract["consumes"] = json!([]);
    repository.service("search", contract);

    assert_eq!(told(&repository, EVENT, None).unwrap(), format!("no consumer of ours reads {EVENT}"));
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
