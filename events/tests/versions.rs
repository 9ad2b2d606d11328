//! Upcasts and downcasts, over the examples of each version.

#![allow(clippy::unwrap_used)]

use events::{
    Validator,
    catalogue::CATALOGUE,
    contacts::{ContactAdded, ContactAddedV2, PersonName, Work},
    samples,
    versions::{Supersedes, beside, is_published_beside, older_than, read_as},
};
use serde_json::{Value, json};

fn examples(schema: &str) -> Vec<Value> {
    let schema: Value = serde_json::from_str(schema).unwrap();
    schema["examples"].as_array().cloned().unwrap_or_default()
}

#[test]
fn every_older_version_is_read_as_the_newer_and_the_result_fits_its_schema() {
    let mut compared = 0;
    for entry in CATALOGUE {
        for older in older_than(entry.name) {
            for example in examples(older.schema) {
                let read = read_as(entry.name, older.name, example).unwrap();

                Validator::of(entry).check(&read).unwrap();
                compared += 1;
            }
        }
    }
    assert!(compared > 1);
}

#[test]
fn every_version_that_is_published_beside_fits_its_schema() {
    for entry in CATALOGUE {
        for example in examples(entry.schema) {
            for (older, body) in beside(entry.name, example.to_string().as_bytes()).unwrap() {
                let written = serde_json::from_slice(&body).unwrap();

                Validator::of(older).check(&written).unwrap();
                assert!(is_published_beside(older.name));
            }
        }
    }
}

#[test]
fn there_and_back_is_the_same() {
    let added = samples::contacts::contact_added_v2();
    let write = ContactAddedV2::DOWNCAST.unwrap();

    assert_eq!(ContactAddedV2::upcast(write(&added)), added);
}

#[test]
fn name_and_work_move_into_objects_and_no_work_stays_none() {
    let old = ContactAdded { company: None, ..samples::contacts::contact_added() };

    let new = ContactAddedV2::upcast(old.clone());

    let name = PersonName { full: old.name, given: old.given_name, family: old.family_name };
    assert_eq!((new.name, new.work), (name, Some(Work { company: None, title: old.title })));
    let unemployed = ContactAdded { company: None, title: None, ..samples::contacts::contact_added() };
    assert_eq!(ContactAddedV2::upcast(unemployed).work, None);
}

#[test]
fn what_is_not_of_its_version_is_refused_without_its_values() {
    let refused = read_as("contacts.contact-added.v2", "contacts.contact-added.v1", json!({"name": "Zoe"}));

    assert_eq!(refused.unwrap_err().to_string(), "the data does not match contacts.contact-added.v1");
    assert!(read_as("contacts.contact-added.v2", "contacts.contact-removed.v1", json!({})).is_err());
}
