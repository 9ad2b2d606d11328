//! The rules of the tree: dependencies between crates, use of the broker library, and claims of the docs that can be
//! checked.

#![allow(clippy::unwrap_used, reason = "a test shall fail on an unexpected value")]

mod help;
mod imports;
mod language;
mod metrics;
mod pages;
mod paths;
mod quotes;
mod services;
mod settings;
mod sizes;
mod stores;
mod tables;
mod template;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use imports::{Crate, circles};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn services() -> Vec<PathBuf> {
    let mut folders: Vec<_> =
        fs::read_dir(root().join("services")).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.retain(|folder| folder.join("Cargo.toml").exists());
    folders.sort();
    folders
}

/// The services, and the one that new ones are made from.
fn services_and_template() -> Vec<PathBuf> {
    let mut folders = services();
    folders.push(root().join("skeleton/template"));
    folders
}

/// The name of a folder's package; a service's is that of its folder.
fn name(folder: &Path) -> String {
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    manifest.lines().find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"')).unwrap().to_owned()
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
    found
}

#[test]
fn a_service_depends_on_no_other_service() {
    let names: Vec<_> = services().iter().map(|folder| name(folder)).collect();
    assert!(names.len() > 5, "{names:?}");
    for folder in services() {
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        for other in names.iter().filter(|other| **other != name(&folder)) {
            let depends = manifest
                .lines()
                .any(|line| line.starts_with(&format!("{other}.")) || line.starts_with(&format!("{other} =")));
            assert!(!depends, "{} depends on {other}", name(&folder));
        }
    }
}

#[test]
fn events_depend_on_nothing_of_ours_and_the_skeleton_on_events_alone() {
    let events = fs::read_to_string(root().join("events/Cargo.toml")).unwrap();
    assert!(!events.contains("skeleton"));
    let skeleton = fs::read_to_string(root().join("skeleton/Cargo.toml")).unwrap();
    for folder in services() {
        assert!(!skeleton.contains(&format!("\n{}.", name(&folder))), "the skeleton depends on {}", name(&folder));
    }
}

/// The skeleton's modules in layers, from the bottom up. A file may import from its own module and from lower layers.
const LAYERS: [&[&str]; 10] = [
    &["causes", "trouble"],
    &["config", "environment", "failure", "stop"],
    &["paging", "panics", "telemetry", "tls"],
    &["store", "supervision"],
    &["expiry", "partner"],
    &["http", "lease", "messaging", "saga", "schedule"],
    &["mail", "parked", "rebuild"],
    &["service"],
    &["testing"],
    &["lib"],
];

#[test]
fn in_the_skeleton_imports_lead_down() {
    let layer_of = |file: &str| {
        let module = file.split('/').next().unwrap().trim_end_matches(".rs");
        let layer = LAYERS.iter().position(|modules| modules.contains(&module));
        (layer.unwrap_or_else(|| panic!("{module} has no layer: add it to LAYERS")), module.to_owned())
    };
    let mut upwards = Vec::new();
    for ((from, to), names) in Crate::read(&root().join("skeleton/src")).arrows() {
        let ((from_layer, from_module), (to_layer, to_module)) = (layer_of(&from), layer_of(&to));
        if from_module != to_module && to_layer >= from_layer {
            upwards.push(format!("{from} takes {names:?} from {to}"));
        }
    }

    assert!(upwards.is_empty(), "move the shared items into a lower module:\n{}", upwards.join("\n"));
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let mut crates: Vec<_> = services_and_template();
    crates.extend(["skeleton", "scripts/kith", "scripts/xtask", "events"].map(|folder| root().join(folder)));
    crates.extend(["catalogue", "compat", "contracts", "generator"].map(|folder| root().join("events").join(folder)));
    for folder in crates {
        let found = circles(&Crate::read(&folder.join("src")).arrows());
        assert!(found.is_empty(), "{}: move the shared items into a third file:\n{}", name(&folder), found.join("\n"));
    }
}

#[test]
fn only_the_skeleton_knows_the_broker_library() {
    for folder in services() {
        for source in sources(&folder.join("src")) {
            let text = fs::read_to_string(&source).unwrap();
            assert!(!text.contains("lapin"), "{} uses the broker library", source.display());
        }
    }
}

#[test]
fn a_domain_has_no_clock_no_store_and_no_broker() {
    for folder in services() {
        let files = sources(&folder.join("src")).into_iter().filter(|path| {
            let path = path.to_str().unwrap();
            path.ends_with("/domain.rs") || path.contains("/domain/")
        });
        for source in files {
            let text = fs::read_to_string(&source).unwrap();
            for forbidden in [
                "async fn",
                "Utc::now",
                "tokio::",
                "Uuid::new_v4",
                "Uuid::now_v7",
                "skeleton::store",
                "skeleton::Postgres",
            ] {
                assert!(!text.contains(forbidden), "{} has {forbidden}", source.display());
            }
        }
    }
}

#[test]
fn every_service_has_its_page_and_its_settings_with_comments() {
    for folder in services() {
        for file in ["README.md", "config/default.toml", "src/main.rs", "src/lib.rs"] {
            assert!(folder.join(file).exists(), "{} has no {file}", name(&folder));
        }
    }
}

/// Every package with its features, for these kinds of dependencies.
fn packages(kinds: &str) -> BTreeSet<String> {
    let tree = ["tree", "--workspace", "--locked", "--offline", "--format", "{p} {f}", "--prefix", "none", "--edges"];
    let output = Command::new(env!("CARGO")).args(tree).arg(kinds).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| line.trim_end_matches(" (*)").to_owned()).collect()
}

#[test]
fn tests_need_nothing_that_programs_are_built_otherwise_with() {
    let (programs, tests) = (packages("normal,build"), packages("normal,build,dev"));

    let twice: Vec<_> = programs.difference(&tests).collect();

    assert!(twice.is_empty(), "built twice; add the features that the tests use to xtask's dependencies: {twice:?}");
}
