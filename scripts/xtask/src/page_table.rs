//! A table in a page of the docs that a command updates line by line, between two markers.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result};

/// A table between `<!-- NAME: begin -->` and `<!-- NAME: end -->`.
pub struct PageTable {
    /// Its name, in the markers.
    pub name: &'static str,
    /// Its columns.
    pub columns: &'static [&'static str],
}

impl PageTable {
    /// Inserts lines, replacing those with the same key, and sorts by key. Existing lines without a key are removed.
    pub fn update<K: Ord>(
        &self,
        page: &Path,
        key_of: impl Fn(&str) -> Option<K>,
        lines: impl IntoIterator<Item = (K, String)>,
    ) -> Result<()> {
        let text = fs::read_to_string(page).with_context(|| page.display().to_string())?;
        let updated = self.updated(&text, key_of, lines);
        fs::write(page, updated.with_context(|| format!("{} has no markers for {}", page.display(), self.name))?)?;
        Ok(())
    }

    fn updated<K: Ord>(
        &self,
        text: &str,
        key_of: impl Fn(&str) -> Option<K>,
        lines: impl IntoIterator<Item = (K, String)>,
    ) -> Option<String> {
        let [begin, end] = ["begin", "end"].map(|side| format!("<!-- {}: {side} -->", self.name));
        let (before, rest) = text.split_once(&begin)?;
        let (table, after) = rest.split_once(&end)?;
        let kept = table.lines().skip(3).filter_map(|line| Some((key_of(line)?, line.to_owned())));
        let mut all: BTreeMap<K, String> = kept.collect();
        all.extend(lines);
        let head = format!("| {} |\n|{}", self.columns.join(" | "), "---|".repeat(self.columns.len()));
        let table: String = all.into_values().map(|line| line + "\n").collect();
        Some(format!("{before}{begin}\n{head}\n{table}{end}{after}"))
    }
}

/// Escapes a text for a cell of the table.
pub fn cell(text: &str) -> String {
    text.replace('\n', " ").replace('|', "/")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::PageTable;

    #[test]
    fn lines_take_the_place_of_those_with_their_key_and_the_rest_stays() {
        let table = PageTable { name: "rows", columns: &["row", "outcome"] };
        let page = "# Page\n<!-- rows: begin -->\n| row | outcome |\n|---|---|\n| 1 | old |\n| 3 | kept |\n| gone | x |\n<!-- rows: end -->\nText\n";
        let key_of = |line: &str| line.split(' ').nth(1)?.parse::<u32>().ok();

        let updated = table.updated(page, key_of, [(2, "| 2 | new |".to_owned()), (1, "| 1 | new |".to_owned())]);

        let expected = "# Page\n<!-- rows: begin -->\n| row | outcome |\n|---|---|\n| 1 | new |\n| 2 | new |\n| 3 | kept |\n<!-- rows: end -->\nText\n";
        assert_eq!(updated.unwrap(), expected);
        assert_eq!(table.updated("# Page", key_of, []), None);
    }
}
