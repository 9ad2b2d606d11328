//! Checks the tables in the docs: every row has as many cells as the header. Renderers drop the others.

use std::fs;

use super::{
    pages::{files, prose},
    root,
};

/// The number of cells in a row.
fn cells(row: &str) -> usize {
    let row = row.trim().replace(r"\|", "");
    let row = row.strip_prefix('|').unwrap_or(&row);
    row.strip_suffix('|').unwrap_or(row).split('|').count()
}

/// Whether a line separates a table's header from its rows: `|---|:-:|`.
fn is_delimiter(line: &str) -> bool {
    let is_dashes = |cell: &str| {
        let cell = cell.trim().trim_matches(':');
        !cell.is_empty() && cell.chars().all(|sign| sign == '-')
    };
    let line = line.trim();
    line.contains('|') && line.trim_matches('|').split('|').all(is_dashes)
}

/// The numbers of the lines whose cells differ from those of their table's header.
fn uneven(text: &str) -> Vec<usize> {
    let mut found = Vec::new();
    let (mut before, mut header) = ("", None);
    for (number, line) in prose(text) {
        let is_row = line.contains('|') && !line.trim_start().starts_with('<');
        if header.is_none() && is_delimiter(line) && before.contains('|') {
            header = Some(cells(before));
        }
        header = header.filter(|_| is_row);
        if header.is_some_and(|header| header != cells(line)) {
            found.push(number);
        }
        before = line;
    }
    found
}

#[test]
fn every_row_of_a_table_has_as_many_cells_as_its_header() {
    let mut wrong = Vec::new();
    for page in files(&root(), "md") {
        let lines = uneven(&fs::read_to_string(&page).unwrap());
        wrong.extend(lines.iter().map(|number| format!("{}:{number}", page.display())));
    }

    assert!(wrong.is_empty(), "rows with more or fewer cells than the header:\n{}", wrong.join("\n"));
}

#[test]
fn a_row_with_another_number_of_cells_is_found() {
    let table =
        "a | b\n\n| a | b |\n|---|--:|\n| 1 | 2 |\n| 1 \\| 1 | 2 |\n| 1 |\n| 1 | 2 | 3 |\n<!-- end -->\n| x |\n";

    assert_eq!(uneven(table), [7, 8]);
}
