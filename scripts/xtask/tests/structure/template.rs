//! The words of the template, by which `cargo kith new-service` finds what it replaces, are used nowhere else.

use std::{fs, process::Command};

use super::root;

/// Where the words are meant: the template, its entries in the workspace, and the command with its tests.
const MEANT: [&str; 6] = [
    "Cargo.lock",
    "Cargo.toml",
    "scripts/kith/src/new_service/",
    "scripts/kith/tests/all/new_service.rs",
    "scripts/xtask/tests/structure/template.rs",
    "skeleton/template/",
];

const WORDS: [&str; 2] = ["depot", "parcel"];

#[test]
fn the_words_of_the_template_are_used_nowhere_else() {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .unwrap();
    let files = String::from_utf8(listed.stdout).unwrap();
    let others = files.split_terminator('\0').filter(|file| !MEANT.iter().any(|meant| file.starts_with(meant)));
    let (mut count, mut found) = (0, Vec::new());
    for file in others {
        // Binary files and deleted ones have no words.
        let Ok(text) = fs::read_to_string(root().join(file)) else { continue };
        count += 1;
        let text = format!("{file}\n{text}").to_lowercase();
        found.extend(WORDS.iter().filter(|word| text.contains(**word)).map(|word| format!("{word} in {file}")));
    }

    assert!(count > 500, "read only {count} files: this test searches in the wrong way");
    assert!(found.is_empty(), "cargo kith new-service would replace these: {found:#?}");
}
