//! Size limits: a service's start fits on a screen, and no function is longer than 60 lines.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The maximum number of lines of a service's `main.rs` and `lib.rs` together.
const LONGEST_START: usize = 30;
/// The maximum number of lines of a function.
const LONGEST_FUNCTION: usize = 60;

/// Functions that are still longer. The list only gets shorter: remove those that have been split.
const LONGER: &[(&str, &str)] = &[
    ("scripts/xtask/src/chaos/databases.rs", "tested"),
    ("scripts/xtask/src/chaos/messages.rs", "rows"),
    ("skeleton/src/service/running.rs", "start"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The Rust files below a folder, except tests and build output.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && !["tests", "target", "node_modules"].contains(&name) && !name.starts_with('.') {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
    found
}

/// The functions of a formatted file with their numbers of lines. A function ends at the brace with the same
/// indentation as its `fn` line.
fn functions(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let of_line = |(first, line): (usize, &&str)| {
        let margin = line.len() - line.trim_start().len();
        let name = name_of(line)?;
        let ends =
            |line: &&str| line.len() > margin && line.is_char_boundary(margin) && line[margin..].starts_with('}');
        let has_body =
            lines[first..].iter().take_while(|line| !line.ends_with([';', '}'])).any(|line| line.ends_with('{'));
        let length = if has_body { lines[first..].iter().position(ends)? + 1 } else { 1 };
        Some((name, length))
    };
    lines.iter().enumerate().filter_map(of_line).collect()
}

/// The name of the function that begins on this line.
fn name_of(line: &str) -> Option<String> {
    let mut words = line.split_whitespace().skip_while(|word| {
        ["pub", "const", "async", "unsafe"].contains(word) || (word.starts_with("pub(") && word.ends_with(')'))
    });
    let (Some("fn"), Some(rest)) = (words.next(), words.next()) else { return None };
    Some(rest.split(['(', '<']).next()?.to_owned())
}

#[test]
fn the_start_of_every_service_fits_on_a_screen() {
    let mut services = 0;
    for entry in fs::read_dir(root().join("services")).unwrap() {
        let folder = entry.unwrap().path();
        if !folder.join("Cargo.toml").exists() {
            continue;
        }
        services += 1;
        let lines = |file: &str| fs::read_to_string(folder.join("src").join(file)).unwrap().lines().count();
        let (main, lib) = (lines("main.rs"), lines("lib.rs"));
        assert!(
            main + lib <= LONGEST_START,
            "{}: main.rs has {main} lines and lib.rs {lib}: {LONGEST_START} together at most",
            folder.display()
        );
    }
    assert_eq!(services, 6);
}

#[test]
fn no_function_is_longer_than_sixty_lines() {
    let mut longer = Vec::new();
    let mut all = 0;
    for folder in ["skeleton/src", "services", "events", "scripts/xtask/src"] {
        for source in sources(&root().join(folder)) {
            let text = fs::read_to_string(&source).unwrap();
            let path = source.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
            let found = functions(&text);
            all += found.len();
            let too_long = found.into_iter().filter(|(_, lines)| *lines > LONGEST_FUNCTION);
            longer.extend(too_long.map(|(name, _)| (path.clone(), name)));
        }
    }
    longer.sort();

    assert!(all > 2_000, "found only {all} functions: the count is broken");
    let known: Vec<_> = LONGER.iter().map(|(path, name)| ((*path).to_owned(), (*name).to_owned())).collect();
    assert_eq!(longer, known, "left: longer than {LONGEST_FUNCTION} lines; split new ones, remove fixed ones");
}

#[test]
fn a_function_ends_at_its_own_brace() {
    let text = "impl A {\n    pub(super) async fn long<T>(\n        &self,\n    ) -> B {\n        if x {\n        }\n    }\n\n    \
                fn declared(&self);\n}\n\nconst fn short() {}\n\nfn two() {\n}\n";

    let found = functions(text);

    let expected = [("long", 6), ("declared", 1), ("short", 1), ("two", 2)];
    assert_eq!(found, expected.map(|(name, lines)| (name.to_owned(), lines)));
}
