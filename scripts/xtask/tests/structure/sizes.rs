//! Functions, files, and the starts of services are short enough to read at a glance.

use std::{fs, path::Path};

use super::{root, services_and_template, sources};

/// The maximum number of lines of a function, including its signature and last brace.
const MOST: usize = 60;

/// The maximum number of lines of a service's `main.rs` and `lib.rs` together.
const LONGEST_START: usize = 30;

/// The maximum median of the lengths of the files of a folder, in lines.
const MEDIAN: usize = 90;

/// The maximum number of lines of a file.
const LONGEST_FILE: usize = 350;

/// The files that are longer, each until it is split.
const LONGER: [&str; 2] = ["skeleton/src/messaging/handlers.rs", "skeleton/src/store/postgres/mod.rs"];

/// The Rust files of a folder with their lengths, counted as `wc -l` does.
fn lengths(folder: &Path) -> Vec<(String, usize)> {
    let measured = sources(folder).into_iter().map(|file| {
        let lines = fs::read(&file).unwrap().iter().filter(|byte| **byte == b'\n').count();
        (file.strip_prefix(root()).unwrap().display().to_string(), lines)
    });
    measured.collect()
}

/// The median. Of an even number of lengths, the larger of the two in the middle.
fn median(mut lengths: Vec<usize>) -> usize {
    lengths.sort_unstable();
    lengths[lengths.len() / 2]
}

/// The functions of a file that are too long: their first lines and their lengths.
fn too_long(text: &str) -> Vec<(&str, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let is_function = code.split(' ').take_while(|word| *word != "fn").all(|word| {
            word.starts_with("pub") || word == "async" || word == "const" || word == "unsafe" || word.ends_with(')')
        }) && code.split(' ').any(|word| word == "fn");
        let ends = |line: &&&str| ['{', ';', '}'].iter().any(|sign| line.ends_with(*sign));
        let has_body = || lines[at..].iter().find(ends).is_some_and(|line| line.ends_with('{'));
        if is_function && has_body() {
            let end = format!("{}}}", &line[..line.len() - code.len()]);
            let length = lines[at..].iter().position(|line| *line == end).unwrap_or(0) + 1;
            found.extend((length > MOST).then_some((code, length)));
        }
    }
    found
}

#[test]
fn no_function_is_longer_than_it_can_be_read_at_once() {
    let mut folders = services_and_template();
    folders.extend(["scripts/xtask", "events", "skeleton"].map(|folder| root().join(folder)));
    folders.extend(["catalogue", "compat", "contracts", "generator"].map(|folder| root().join("events").join(folder)));
    let mut found = Vec::new();
    for file in folders.iter().flat_map(|folder| sources(&folder.join("src"))) {
        let text = fs::read_to_string(&file).unwrap();
        found.extend(too_long(&text).iter().map(|(line, length)| format!("{}: {line} {length}", file.display())));
    }

    assert!(found.is_empty(), "more than {MOST} lines: split them by what they do:\n{}", found.join("\n"));
}

#[test]
fn the_start_of_every_service_fits_on_a_screen() {
    for folder in services_and_template() {
        let lines = |file: &str| fs::read_to_string(folder.join("src").join(file)).unwrap().lines().count();
        let (main, lib) = (lines("main.rs"), lines("lib.rs"));
        let most = LONGEST_START;
        assert!(main + lib <= most, "{}: main.rs {main} + lib.rs {lib} lines, at most {most}", folder.display());
    }
}

#[test]
fn half_of_all_files_are_read_without_scrolling_far() {
    for folder in ["events", "scripts/xtask/src", "skeleton/src"] {
        let median = median(lengths(&root().join(folder)).into_iter().map(|(_, lines)| lines).collect());
        assert!(median <= MEDIAN, "{folder}: the median is {median} lines, at most {MEDIAN}: split files by subject");
    }
}

#[test]
fn no_file_holds_everything() {
    let files = ["events", "scripts/xtask/src", "skeleton/src"].map(|folder| lengths(&root().join(folder))).concat();
    let is_longer = |name: &str| files.iter().any(|(file, lines)| file == name && *lines > LONGEST_FILE);
    let new = files.iter().filter(|(file, _)| is_longer(file) && !LONGER.contains(&file.as_str()));
    let new: Vec<_> = new.map(|(file, lines)| format!("{file}: {lines} lines")).collect();
    let done: Vec<_> = LONGER.into_iter().filter(|name| !is_longer(name)).collect();

    assert!(new.is_empty(), "more than {LONGEST_FILE} lines: split them by subject:\n{}", new.join("\n"));
    assert!(done.is_empty(), "no longer that long: remove them from LONGER: {done:?}");
}

#[test]
fn the_median_is_the_middle_length() {
    assert_eq!(median(vec![300, 1, 90]), 90);
    assert_eq!(median(vec![1, 300, 91, 90]), 91);
}

#[test]
fn a_function_is_measured_from_its_first_line_to_its_last() {
    let body = "        step();\n".repeat(MOST - 1);
    let text =
        format!("impl A {{\n    fn none(&self);\n    pub async fn long(\n        &self,\n    ) {{\n{body}    }}\n}}\n");

    assert_eq!(too_long(&text), [("pub async fn long(", MOST + 3)]);
    assert_eq!(too_long("fn short() {\n}\n"), []);
}
