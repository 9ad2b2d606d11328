//! Upcasts and downcasts.

use contacts_events::{ContactAdded, ContactAddedV2, ContactRemoved, PersonName, Work, samples};
use events::{
    Message,
    versions::{Supersedes, read_as},
};
use serde_json::json;

#[test]
fn there_and_back_is_the_same() {
    let added = samples::contact_added_v2();
    let write = ContactAddedV2::DOWNCAST.unwrap();

    assert_eq!(ContactAddedV2::upcast(write(&added)), added);
}

#[test]
fn name_and_work_move_into_objects_and_no_work_stays_none() {
    let old = ContactAdded { company: None, ..samples::contact_added() };

    let new = ContactAddedV2::upcast(old.clone());

    let name = PersonName { full: old.name, given: old.given_name, family: old.family_name };
    assert_eq!((new.name, new.work), (name, Some(Work { company: None, title: old.title })));
    let unemployed = ContactAdded { company: None, title: None, ..samples::contact_added() };
    assert_eq!(ContactAddedV2::upcast(unemployed).work, None);
}

#[test]
fn what_is_not_of_its_version_is_refused_without_its_values() {
    let refused = read_as(ContactAddedV2::ENTRY, ContactAdded::ENTRY, json!({"name": "Zoe"}));

    assert_eq!(refused.unwrap_err().to_string(), "the data does not match contacts.contact-added.v1");
    assert!(read_as(ContactAddedV2::ENTRY, ContactRemoved::ENTRY, json!({})).is_err());
}
