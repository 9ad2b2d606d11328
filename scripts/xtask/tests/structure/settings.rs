//! Checks that docs/settings.md has every key of the files `config/default.toml`.

use std::fs;

use super::{name, root, services_and_template};

/// The keys of a TOML file, `section.key`.
fn keys(toml: &str) -> Vec<String> {
    let (mut section, mut found) = ("", Vec::new());
    for line in toml.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
        } else if let Some((key, _)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) {
            found.push(format!("{section}.{key}"));
        }
    }
    found
}

/// How the page writes a key: those of partners without their section, which has the partner's name.
fn on_page(key: &str) -> String {
    let short = key.strip_prefix("partners.").and_then(|rest| rest.split_once('.')).map(|(_, short)| short);
    format!("`{}`", short.unwrap_or(key))
}

#[test]
fn every_setting_of_a_default_file_is_on_the_page_or_in_the_readme_beside_it() {
    let page = fs::read_to_string(root().join("docs/settings.md")).unwrap();
    let mut folders = services_and_template();
    folders.push(root().join("skeleton"));
    let (mut count, mut missing) = (0, Vec::new());
    for folder in folders {
        let [file, readme] =
            ["config/default.toml", "README.md"].map(|file| fs::read_to_string(folder.join(file)).unwrap());
        let keys = keys(&file);
        count += keys.len();
        let is_missing = |key: &String| !page.contains(&on_page(key)) && !readme.contains(&format!("`{key}`"));
        missing.extend(keys.into_iter().filter(is_missing).map(|key| format!("{}: {key}", name(&folder))));
    }

    assert!(count > 50, "found only {count} settings: this test searches in the wrong way");
    assert!(missing.is_empty(), "neither docs/settings.md nor the service's README.md has {missing:?}");
}

#[test]
fn keys_are_read_with_their_sections() {
    let toml = "# a = 1\n[broker]\nurl = \"amqp://x?a = b\"\n\n[partners.mail]\ncalls = 20\n";

    assert_eq!(keys(toml), ["broker.url", "partners.mail.calls"]);
    assert_eq!(on_page("partners.mail.calls"), "`calls`");
}
