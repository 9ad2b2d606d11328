//! Checks that a service's page names what its contract and schemas say it consumes, answers and publishes.

use std::{collections::BTreeSet, fs, path::Path};

use super::{name, root, services_and_template, sources};

/// The values of the lines `"key": "value"` in a JSON file with one per line.
fn values<'a>(text: &'a str, key: &str) -> Vec<&'a str> {
    let start = format!("\"{key}\": \"");
    text.lines().filter_map(|line| line.trim().strip_prefix(&start)?.split('"').next()).collect()
}

/// The items of the list at a key.
fn items<'a>(text: &'a str, key: &str) -> Vec<&'a str> {
    let list = text.split_once(&format!("\"{key}\": [")).and_then(|(_, rest)| rest.split_once(']'));
    list.map_or_else(Vec::new, |(list, _)| list.split('"').skip(1).step_by(2).collect())
}

/// Whether a page names a message: `contact-added`, `contacts.contact-added`, with the right version or none, or
/// `-added` after another message of the same owner.
fn names(page: &str, owner: &str, message: &str, version: &str) -> bool {
    let codes: Vec<&str> = page.split('`').skip(1).step_by(2).flat_map(str::split_whitespace).collect();
    let full = format!("{owner}.{message}");
    let end = message.rsplit_once('-').map_or(message, |(_, end)| end);
    let is_named = |code: &str| {
        let (code, said) = code.rsplit_once(".v").unwrap_or((code, version));
        (code == message || code == full || code == format!("-{end}")) && said == version
    };
    codes.into_iter().any(is_named)
}

fn events_of(service: &str) -> Vec<(String, String)> {
    let folders = ["events/schemas", "skeleton/template/schemas"].map(|schemas| root().join(schemas).join(service));
    let files = folders.iter().flat_map(fs::read_dir).flatten().map(|entry| entry.unwrap().path());
    let schemas = files.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    let events = schemas.filter(|path| fs::read_to_string(path).unwrap().contains("\"kind\": \"event\""));
    let stem = |path: &Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
    events.filter_map(|path| stem(&path).rsplit_once(".v").map(|(name, v)| (name.to_owned(), v.to_owned()))).collect()
}

#[test]
fn the_page_of_a_service_names_its_messages_in_their_versions_and_its_callers() {
    let mut missing = Vec::new();
    for folder in services_and_template() {
        let [page, contract] =
            ["README.md", "contract.json"].map(|file| fs::read_to_string(folder.join(file)).unwrap());
        let service = name(&folder);
        for message in values(&contract, "message") {
            let (name, version) = message.rsplit_once(".v").unwrap();
            let (owner, name) = name.split_once('.').unwrap();
            if !names(&page, owner, name, version) {
                missing.push(format!("{service}: {message}"));
            }
        }
        for (event, version) in events_of(&service) {
            if !names(&page, &service, &event, &version) {
                missing.push(format!("{service} publishes {event}.v{version}"));
            }
        }
        let callers = items(&contract, "callers").into_iter().chain(items(&contract, "asks"));
        missing.extend(callers.filter(|other| !page.contains(other)).map(|other| format!("{service} and {other}")));
    }

    assert!(missing.is_empty(), "a README.md does not name:\n{}", missing.join("\n"));
}

/// The packages of messages whose types are used in these folders of a service, `accounts` for `accounts_events`.
fn packages_used(service: &Path, folders: &[&str]) -> BTreeSet<String> {
    let sources = folders.iter().flat_map(|folder| sources(&service.join(folder)));
    let text: String = sources.map(|path| fs::read_to_string(path).unwrap()).collect();
    let words = text.split(|sign: char| !sign.is_alphanumeric() && sign != '_');
    let owners: BTreeSet<String> = services_and_template().iter().map(|folder| name(folder)).collect();
    let used = words.filter_map(|word| word.strip_suffix("_events")).map(str::to_owned);
    used.filter(|owner| owners.contains(owner)).collect()
}

#[test]
fn a_service_depends_on_the_packages_of_messages_that_it_uses_and_on_no_other() {
    for folder in services_and_template() {
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        let (normal, tests) = manifest.split_once("[dev-dependencies]").unwrap();
        let listed = |section: &str| -> BTreeSet<String> {
            let names = section.lines().filter_map(|line| line.strip_suffix("-events.workspace = true"));
            names.map(str::to_owned).collect()
        };
        let (code, all) = (packages_used(&folder, &["src"]), packages_used(&folder, &["src", "tests"]));
        let only_in_tests: BTreeSet<String> = all.difference(&code).cloned().collect();

        assert_eq!((listed(normal), listed(tests)), (code, only_in_tests), "{}", folder.display());
    }
}

#[test]
fn the_skeleton_and_what_all_messages_share_know_no_service() {
    for folder in ["skeleton", "events", "events/generator"] {
        let manifest = fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
        let normal = manifest.split("[dev-dependencies]").next().unwrap();
        assert!(!normal.contains("-events.workspace"), "{folder} depends on the messages of a service");
    }
}
