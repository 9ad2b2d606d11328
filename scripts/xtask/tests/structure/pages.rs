//! Checks the docs: links lead somewhere, and the tests they name exist.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use super::root;

/// Folders without the repository's own files.
const FOREIGN: [&str; 6] = ["target", "node_modules", "dist", ".git", ".run", "__pycache__"];

/// A name with this many underscores can only be a test's.
const UNDERSCORES_OF_A_TEST: usize = 5;

pub(super) fn files(folder: &Path, end: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && !path.is_symlink() && !FOREIGN.contains(&name) {
            found.extend(files(&path, end));
        } else if path.extension().is_some_and(|found| found == end) {
            found.push(path);
        }
    }
    found
}

/// The lines of a page outside of code blocks, with their numbers.
pub(super) fn prose(text: &str) -> Vec<(usize, &str)> {
    let mut is_code = false;
    let lines = text.lines().zip(1..).filter(|(line, _)| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    });
    lines.map(|(line, number)| (number, line)).collect()
}

/// The texts between two marks in a line: `open` begins one, `close` ends it.
fn between<'a>(line: &'a str, open: &str, close: char) -> Vec<&'a str> {
    line.split(open).skip(1).filter_map(|rest| rest.split_once(close)).map(|(inner, _)| inner).collect()
}

/// The anchors of a page's headings, as GitHub generates them.
fn anchors(text: &str) -> Vec<String> {
    let headings = text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let kept = |sign: char| match sign {
        ' ' => Some('-'),
        '-' | '_' => Some(sign),
        sign if sign.is_alphanumeric() => Some(sign.to_ascii_lowercase()),
        _ => None,
    };
    headings.map(|heading| heading.chars().filter_map(kept).collect()).collect()
}

#[test]
fn every_link_of_a_page_leads_to_a_file_and_a_heading() {
    let mut dead = Vec::new();
    for page in files(&root(), "md") {
        let text = fs::read_to_string(&page).unwrap();
        for (number, line) in prose(&text) {
            let links = between(line, "](", ')').into_iter().filter(|link| !link.contains(':'));
            for link in links {
                let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
                let target = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
                let has_anchor = || anchors(&fs::read_to_string(&target).unwrap()).iter().any(|found| found == anchor);
                if !target.exists() || !anchor.is_empty() && !has_anchor() {
                    dead.push(format!("{}:{number}: {link}", page.display()));
                }
            }
        }
    }

    assert!(dead.is_empty(), "links that lead nowhere:\n{}", dead.join("\n"));
}

/// The tests that a line names, each with the file that the line has named before it.
fn named_tests(line: &str) -> Vec<(Option<&str>, &str)> {
    let mut file = None;
    let mut named = Vec::new();
    for (code, is_code) in line.split('`').zip([false, true].into_iter().cycle()) {
        let name = code.rsplit("::").next().unwrap_or_default();
        let is_name = name.chars().all(|sign| sign.is_ascii_lowercase() || sign.is_ascii_digit() || sign == '_');
        if is_code && code.ends_with(".rs") && !code.contains(' ') {
            file = Some(code);
        } else if is_code && is_name && name.matches('_').count() >= UNDERSCORES_OF_A_TEST {
            named.push((file, name));
        }
    }
    named
}

#[test]
fn every_test_that_a_page_names_exists_in_the_file_that_it_names() {
    let sources: BTreeMap<String, String> = files(&root(), "rs")
        .into_iter()
        .map(|path| (path.display().to_string(), fs::read_to_string(path).unwrap()))
        .collect();
    let mut missing = Vec::new();
    let mut named = 0;
    for page in files(&root(), "md") {
        let text = fs::read_to_string(&page).unwrap();
        for (number, line) in prose(&text) {
            for (file, test) in named_tests(line) {
                named += 1;
                let is_there = |(path, source): (&String, &String)| {
                    let is_defined = ['(', '<'].iter().any(|sign| source.contains(&format!("fn {test}{sign}")));
                    is_defined && file.is_none_or(|file| path.ends_with(&format!("/{file}")))
                };
                if !sources.iter().any(is_there) {
                    missing.push(format!("{}:{number}: {} {test}", page.display(), file.unwrap_or_default()));
                }
            }
        }
    }

    assert!(named > 100, "found only {named} names of tests: this test searches in the wrong way");
    assert!(missing.is_empty(), "tests that do not exist:\n{}", missing.join("\n"));
}

#[test]
fn every_source_file_that_the_promises_name_exists() {
    let sources: Vec<String> = files(&root(), "rs").iter().map(|path| path.display().to_string()).collect();
    let text = fs::read_to_string(root().join("skeleton/README.md")).unwrap();
    let mut missing = Vec::new();
    for (number, line) in prose(&text) {
        let named = line.split('`').skip(1).step_by(2).filter(|code| code.ends_with(".rs") && !code.contains('{'));
        for file in named.filter(|file| !sources.iter().any(|path| path.ends_with(&format!("/{file}")))) {
            missing.push(format!("{number}: {file}"));
        }
    }

    assert!(missing.is_empty(), "skeleton/README.md names files that do not exist:\n{}", missing.join("\n"));
}

/// The folders whose paths are checked in pages.
const FOLDERS: [&str; 6] = ["deploy/", "docs/", "events/", "scripts/", "services/", "skeleton/"];

/// `a/{b,c}.rs` as `a/b.rs` and `a/c.rs`.
fn unfolded(path: &str) -> Vec<String> {
    let braces = path.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?)));
    match braces {
        Some((before, (choices, after))) => {
            choices.split(',').map(|choice| format!("{before}{}{after}", choice.trim())).collect()
        }
        None => vec![path.to_owned()],
    }
}

#[test]
fn every_path_that_a_page_names_exists() {
    let mut missing = Vec::new();
    for page in files(&root(), "md") {
        // These pages describe the past.
        if page.ends_with("CHANGELOG.md") || page.parent().unwrap().ends_with("docs/decisions") {
            continue;
        }
        let text = fs::read_to_string(&page).unwrap();
        for (number, line) in prose(&text) {
            let codes = line.split('`').skip(1).step_by(2).filter_map(|code| code.split(' ').next());
            let paths = codes.filter(|code| FOLDERS.iter().any(|folder| code.starts_with(folder)));
            let paths = paths.filter(|path| !path.contains(['<', '*', '\u{2026}']) && !path.contains("..."));
            for path in paths.flat_map(unfolded).filter(|path| !root().join(path).exists()) {
                missing.push(format!("{}:{number}: {path}", page.display()));
            }
        }
    }

    assert!(missing.is_empty(), "paths that do not exist:\n{}", missing.join("\n"));
}
