//! The result of one row.

use std::time::Duration;

use serde::Serialize;

use super::row::Row;
use crate::page_table::cell;

/// The result of one row.
#[derive(Serialize)]
pub struct Line {
    number: u32,
    title: &'static str,
    /// How it ended.
    pub outcome: Outcome,
    seconds_to_recover: Option<f64>,
    figures: Vec<String>,
}

/// How a row ended.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Played; nothing was lost, doubled or out of order.
    Passed,
    /// Its tests passed.
    Tested,
    /// Something was lost, doubled, out of order or too late, or a test failed.
    Failed,
}

impl Outcome {
    fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Tested => "tested",
            Self::Failed => "FAILED",
        }
    }
}

impl Line {
    /// Prints it at once, to show the progress.
    pub fn told(row: &Row, outcome: Outcome, took: Option<Duration>, figures: Vec<String>) -> Self {
        let seconds_to_recover = took.map(|took| (took.as_secs_f64() * 10.0).round() / 10.0);
        let line = Self { number: row.number, title: row.title, outcome, seconds_to_recover, figures };
        let (Self { number, title, figures, .. }, seconds) = (&line, line.seconds());
        println!("{number:>3}  {title:<60} {:<8} {seconds:>8}  {}", outcome.word(), figures.join("; "));
        line
    }

    fn seconds(&self) -> String {
        self.seconds_to_recover.map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.1} s"))
    }

    /// The row of the table.
    pub fn in_table(&self, when: &str) -> String {
        let seconds = self.seconds_to_recover.map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.1}"));
        let seen = cell(&self.figures.join("; "));
        format!("| {} | {} | {} | {seconds} | {seen} | {when} |", self.number, self.title, self.outcome.word())
    }
}
