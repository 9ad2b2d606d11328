//! The language of comments, messages and pages: phrases of the former house dialect do not come back.
//!
//! What is read: comments of Rust files, string literals of those that are not tests, and pages outside of code. The terms to use are in
//! `docs/glossary.md`.

use std::fs;

use super::{
    pages::{files, prose},
    root,
};

/// Phrases that make a thing without a name the subject of a sentence, or that no other manual uses.
const FORMER: [&str; 16] = [
    "whoever",
    "nobody",
    "somebody",
    "is told",
    "are told",
    "was told",
    "takes in",
    "taken in",
    "stands still",
    "let alone",
    "as ever",
    "by chance",
    "makes nothing so",
    "comes to an end",
    "time-out",
    "time-outs",
];

/// The parts of Rust source that a person reads: comments and string literals, with the numbers of their lines.
fn read_by_people(source: &str, with_strings: bool) -> Vec<(usize, String)> {
    let mut parts = Vec::new();
    let mut in_string = false;
    for (index, line) in source.lines().enumerate() {
        let mut part = String::new();
        let mut signs = line.chars().peekable();
        while let Some(sign) = signs.next() {
            match sign {
                '\\' if in_string => drop(signs.next()),
                '"' => in_string = !in_string,
                // A character literal of a quotation mark.
                '\'' if !in_string && signs.peek() == Some(&'"') => drop(signs.next()),
                '/' if !in_string && signs.peek() == Some(&'/') => part.extend(signs.by_ref()),
                sign if in_string && with_strings => part.push(sign),
                _ => {}
            }
        }
        parts.push((index + 1, part));
    }
    parts
}

/// The former phrases in a text, whatever is in `backticks`.
fn former_in(text: &str) -> Vec<&'static str> {
    let words: String = text.split('`').step_by(2).collect::<Vec<_>>().join(" ").to_lowercase();
    let is_apart = |at: usize, length: usize| {
        let letter = |sign: Option<char>| sign.is_some_and(|sign| sign.is_alphanumeric() || "-_@/".contains(sign));
        !letter(words[..at].chars().next_back()) && !letter(words[at + length..].chars().next())
    };
    let is_in = |phrase: &&str| words.match_indices(*phrase).any(|(at, found)| is_apart(at, found.len()));
    FORMER.into_iter().filter(is_in).collect()
}

#[test]
fn the_former_dialect_does_not_come_back() {
    let mut found = Vec::new();
    let sources = files(&root(), "rs").into_iter().filter(|path| !path.ends_with("structure/language.rs"));
    for path in sources {
        let is_test = path.components().any(|part| part.as_os_str() == "tests");
        for (line, text) in read_by_people(&fs::read_to_string(&path).unwrap(), !is_test) {
            found.extend(former_in(&text).iter().map(|phrase| format!("{}:{line}: {phrase}", path.display())));
        }
    }
    for page in files(&root(), "md") {
        for (line, text) in prose(&fs::read_to_string(&page).unwrap()) {
            found.extend(former_in(text).iter().map(|phrase| format!("{}:{line}: {phrase}", page.display())));
        }
    }

    assert!(found.is_empty(), "name the thing that does it (docs/glossary.md has the terms):\n{}", found.join("\n"));
}

#[test]
fn comments_and_strings_are_read_and_code_is_not() {
    let source = "let nobody = 1; // is told\nlet text = \"somebody's \\\" name\"; let sign = '\"'; whoever();\n";

    let read: Vec<_> = read_by_people(source, true).into_iter().map(|(_, text)| former_in(&text)).collect();

    assert_eq!(read, [vec!["is told"], vec!["somebody"]]);
    assert_eq!(former_in("the user `nobody` of the system, and a shoulder"), [""; 0]);
}
