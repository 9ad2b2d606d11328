//! Writing the catalogue into a folder, and the conditions under which that fails.

use std::fs;

use catalogue::{CatalogueError, build, files_of};
use serde_json::json;

use crate::repository::{Folder, repository};

#[test]
fn the_same_files_give_the_same_catalogue() {
    let first = files_of(&repository().contracts(), None).unwrap();
    let second = files_of(&repository().contracts(), None).unwrap();

    assert_eq!(first, second);
}

#[test]
fn an_older_catalogue_is_replaced_and_what_is_gone_is_gone() {
    let (folder, out) = (repository(), Folder::new());
    build(folder.path(), out.path(), None).unwrap();
    fs::remove_file(folder.path().join("events/schemas/orders/order-placed.v1.json")).unwrap();

    build(folder.path(), out.path(), None).unwrap();

    assert!(out.path().join("schemas/orders/order-placed.v2.json").exists());
    assert!(!out.path().join("schemas/orders/order-placed.v1.json").exists());
}

#[test]
fn a_folder_with_something_else_is_left_alone() {
    let (folder, out) = (repository(), Folder::new());
    out.write("thesis.json", &json!("years of work"));

    let refused = build(folder.path(), out.path(), None).unwrap_err();

    assert!(matches!(refused, CatalogueError::NotACatalogue(_)), "{refused}");
    assert!(out.path().join("thesis.json").exists());
}

#[test]
fn a_message_without_a_schema_is_named() {
    let folder = repository();
    fs::remove_file(folder.path().join("events/schemas/orders/pack-order.v1.json")).unwrap();

    let refused = files_of(&folder.contracts(), None).unwrap_err().to_string();

    assert!(refused.contains("services/orders/contract.json reads orders.pack-order.v1"), "{refused}");
    assert!(refused.contains("events/schemas/orders/pack-order.v1.json"), "{refused}");
}

#[test]
fn a_reply_without_a_schema_is_named() {
    let folder = repository();
    fs::remove_file(folder.path().join("events/schemas/orders/order-view.v1.json")).unwrap();

    let refused = files_of(&folder.contracts(), None).unwrap_err().to_string();

    assert!(refused.contains("orders.find-order.v1 names the reply orders.order-view.v1"), "{refused}");
}
