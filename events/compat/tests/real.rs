//! Every schema of ours, compared with itself and with small changes of it.

#![allow(clippy::unwrap_used)]

use std::{fs, path::Path};

use schema_compat::{bundled, compare, compare_with_released};
use serde_json::{Value, json};

/// Returns every schema file, by owner and name, with the files it refers to embedded.
fn schemas() -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas");
    let mut found = vec![];
    for owner in fs::read_dir(folder).unwrap() {
        let owner = owner.unwrap().path();
        let read = |file: &str| serde_json::from_str(&fs::read_to_string(owner.join(file)).ok()?).ok();
        let files = fs::read_dir(&owner).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
        for name in files.filter(|name| name.contains(".v") && name.ends_with(".json")) {
            found.push((format!("{}/{name}", owner.display()), bundled(&read(&name).unwrap(), read)));
        }
    }
    assert!(found.len() > 40);
    found
}

#[test]
fn every_schema_is_compatible_with_itself() {
    for (name, schema) in schemas() {
        let told = compare(&schema, &schema);

        assert!(told.full(), "{name}: {told:?}");
    }
}

#[test]
fn a_new_optional_field_is_safe_everywhere_and_a_required_one_nowhere() {
    for (name, old) in schemas() {
        let mut optional = old.clone();
        optional["properties"]["a_field_of_tomorrow"] = json!({"type": "string", "description": "new"});
        let mut required = optional.clone();
        let names = required.as_object_mut().unwrap().entry("required").or_insert_with(|| json!([]));
        names.as_array_mut().unwrap().push("a_field_of_tomorrow".into());

        let told = compare(&old, &optional);
        assert!(told.full(), "{name}: {told:?}");
        let told = compare(&old, &required);
        assert!(!told.backward.is_compatible() && told.forward.is_compatible(), "{name}: {told:?}");
        assert_eq!((told.breaks.len(), told.breaks[0].rule), (1, "required-added"), "{name}: {told:?}");
        assert_eq!(told.breaks[0].path, "/a_field_of_tomorrow", "{name}");
    }
}

#[test]
fn a_field_that_comes_back_with_another_type_is_found_against_the_oldest_version() {
    let with = |fields: Value| json!({"type": "object", "properties": fields});
    let (first, second) = (with(json!({"a": {"type": "string"}})), with(json!({})));
    let third = with(json!({"a": {"type": "integer"}}));

    assert!(compare(&first, &second).full() && compare(&second, &third).full());
    let told = compare_with_released([("v1", &first), ("v2", &second)], &third);

    assert!(!told.backward() && !told.forward() && !told.full());
    assert_eq!(told.versions[0].1.breaks[0].rule, "type-changed");
}
