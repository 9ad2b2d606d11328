//! Checks the code that pages quote: a block `rust from=<path>` is in that file, line by line.
//!
//! A line `...` separates parts that do not follow each other in the file.

use std::fs;

use super::{pages::files, root};

/// A quotation: the number of its line, the file, and the text.
type Quotation = (usize, String, String);

fn quotations(page: &str) -> Vec<Quotation> {
    let mut found = Vec::new();
    let mut lines = page.lines().zip(1..);
    while let Some((line, number)) = lines.next() {
        let Some(path) = line.strip_prefix("```").and_then(|kind| kind.split_once(" from=")).map(|(_, path)| path)
        else {
            continue;
        };
        let text: Vec<&str> = lines.by_ref().map(|(line, _)| line).take_while(|line| *line != "```").collect();
        found.push((number, path.to_owned(), text.join("\n")));
    }
    found
}

/// Whether each part of a quotation is in the file, as whole lines.
fn is_in(text: &str, source: &str) -> bool {
    let source = format!("\n{}\n", source.trim_end());
    let mut parts = text.split("\n...\n");
    parts.all(|part| !part.trim().is_empty() && source.contains(&format!("\n{part}\n")))
}

#[test]
fn quoted_code_is_in_the_file_that_the_page_names() {
    let (mut seen, mut wrong) = (0, Vec::new());
    for page in files(&root(), "md") {
        for (number, path, text) in quotations(&fs::read_to_string(&page).unwrap()) {
            seen += 1;
            if !fs::read_to_string(root().join(&path)).is_ok_and(|source| is_in(&text, &source)) {
                wrong.push(format!("{}:{number}: {path}", page.display()));
            }
        }
    }

    assert!(seen > 20, "found only {seen} quotations: this test searches in the wrong way");
    assert!(wrong.is_empty(), "the file has other lines by now, copy them again:\n{}", wrong.join("\n"));
}

#[test]
fn a_quotation_consists_of_whole_lines_in_parts() {
    let page = "text\n```rust from=a/b.rs\nfn a() {\n...\n}\n```\n```sh\nls\n```\n";

    assert_eq!(quotations(page), [(2, "a/b.rs".to_owned(), "fn a() {\n...\n}".to_owned())]);
    assert!(is_in("fn a() {\n...\n}", "fn a() {\n    b();\n}\n"));
    assert!(!is_in("fn a()", "fn a() {\n}\n") && !is_in("", "fn a() {\n}\n") && !is_in("}\nfn a() {", "fn a() {\n}\n"));
}
