//! The results, as a table and as lines of JSON.

use std::fmt::Write;

use anyhow::{Context, Result};
use serde_json::json;

pub use super::finding::{Aim, Finding, quantile};

/// The table in the document is between these markers.
const BEGIN: &str = "<!-- table: begin -->";
const END: &str = "<!-- table: end -->";

/// The picture beside the document.
const PICTURE: &str = "![How far each target is reached](benchmarks.svg)";

/// All results of one run.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The figures.
    pub findings: Vec<Finding>,
    /// Context, and rows that could not be measured.
    pub notes: Vec<String>,
}

impl Report {
    /// The table with its notes.
    pub fn to_table(&self) -> String {
        let mut text = "| row | what | unit | ours | baseline | ratio (lowest–highest) | target | met | CPU s / 10,000 (baseline) | peak MB (baseline) |\n"
            .to_owned();
        text.push_str("|---|---|---|---|---|---|---|---|---|---|\n");
        for finding in &self.findings {
            let _ = writeln!(text, "{}", finding.line());
        }
        for note in &self.notes {
            let _ = write!(text, "\n- {note}");
        }
        text.push('\n');
        text
    }

    /// One line of JSON for each figure and each note.
    pub fn to_json_lines(&self) -> String {
        let notes = self.notes.iter().map(|note| json!({ "note": note }));
        let lines = self.findings.iter().map(Finding::to_json).chain(notes);
        lines.map(|line| format!("{line}\n")).collect()
    }

    /// Replaces the picture and the table in a document.
    ///
    /// # Errors
    /// If the document has no markers.
    pub fn put_into(&self, document: &str) -> Result<String> {
        let missing = || format!("the document has no lines {BEGIN} and {END} around its table");
        let (before, rest) = document.split_once(BEGIN).with_context(missing)?;
        let (_, after) = rest.split_once(END).with_context(missing)?;
        Ok(format!("{before}{BEGIN}\n{PICTURE}\n\n{}\n{END}{after}", self.to_table().trim_end()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::usage::Usage;

    fn finding(aim: Aim) -> Finding {
        let (ours, baseline) = (vec![90.0, 110.0, 100.0], vec![100.0, 100.0, 125.0]);
        let used = |cpu_s, peak_mb| Usage { cpu_s, peak_mb };
        let usage = vec![(used(1.5, 30.0), Some(used(0.5, 20.0)))];
        Finding { row: "consume", what: "batches".to_owned(), unit: "messages/s", ours, baseline, aim, usage }
    }

    fn report() -> Report {
        let alone = Finding { row: "start", baseline: Vec::new(), usage: Vec::new(), ..finding(Aim::AtMost(99.0)) };
        Report { findings: vec![finding(Aim::RatioAtLeast(0.6)), alone], notes: vec!["memory: skipped".to_owned()] }
    }

    #[test]
    fn the_table_says_what_was_measured_and_whether_the_aim_is_met() {
        let table = report().to_table();

        assert!(table.contains(
            "| consume | batches | messages/s | 100 (90.0–110) | 100 (100–125) | 0.90 (0.80–1.10) | ratio ≥ 0.6 | yes | 1.50 (0.50) | 30.0 (20.0) |"
        ));
        assert!(
            table.contains("| start | batches | messages/s | 100 (90.0–110) | - | - | ≤ 99 messages/s | no | - | - |")
        );
        assert!(table.ends_with("\n- memory: skipped\n"));
    }

    #[test]
    fn programs_get_one_line_of_json_a_figure() {
        let lines = report().to_json_lines();

        let first: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
        assert_eq!(first["ratio"], 0.9);
        assert_eq!(lines.lines().count(), 3);
    }

    #[test]
    fn the_table_goes_between_its_marks_again_and_again() {
        let document = format!("above\n{BEGIN}\nold\n{END}\nbelow\n");

        let once = report().put_into(&document).unwrap();
        let twice = report().put_into(&once).unwrap();

        assert_eq!(once, twice);
        assert!(once.starts_with("above\n") && once.ends_with("\nbelow\n") && !once.contains("old"));
        assert!(report().put_into("no marks").is_err());
    }
}
