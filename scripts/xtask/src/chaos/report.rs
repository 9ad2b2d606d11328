//! What came of the rows: a line for each, the ledger, JSON, and the table in docs/faults.md.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use serde_json::json;

use super::{played::Played, row::Row};
use crate::trial::Ledger;

/// Between these the table is.
const MARKERS: [&str; 2] = ["<!-- rows: begin -->", "<!-- rows: end -->"];

/// What came of all rows.
pub struct Report {
    seed: u64,
    ledger: Ledger,
    lines: BTreeMap<u32, Line>,
}

#[derive(Serialize)]
struct Line {
    number: u32,
    title: &'static str,
    outcome: Outcome,
    seconds_to_recover: Option<f64>,
    figures: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    /// Played, and nothing was lost, doubled or out of order.
    Passed,
    /// Its tests have passed.
    Tested,
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

impl Report {
    /// Of no row yet.
    pub fn new(seed: u64) -> Self {
        Self { seed, ledger: Ledger::default(), lines: BTreeMap::new() }
    }

    /// Takes in a row that was played. Says whether it has failed.
    pub fn played(&mut self, row: &Row, played: Result<Played>) -> bool {
        let line = match played {
            Ok(played) => {
                self.ledger = self.ledger.and(played.ledger);
                let too_late = row.limit.is_some_and(|limit| played.recovery > limit);
                let is_good = played.ledger.is_clean() && !too_late;
                let mut figures = vec![played.ledger.to_string()];
                figures.extend(played.figures);
                figures
                    .extend(row.limit.filter(|_| too_late).map(|limit| format!("it may take {} s", limit.as_secs())));
                let outcome = if is_good { Outcome::Passed } else { Outcome::Failed };
                self.line(row, outcome, Some(played.recovery), figures)
            }
            Err(error) => self.line(row, Outcome::Failed, None, vec![format!("{error:#}")]),
        };
        let has_failed = line.outcome == Outcome::Failed;
        self.lines.insert(row.number, line);
        has_failed
    }

    /// Takes in a row that was tested.
    pub fn tested(&mut self, row: &Row, tested: Result<Duration>) {
        let names = row.tests().unwrap_or_default().iter().map(|test| format!("`{}`", test.1));
        let line = match tested {
            Ok(took) => self.line(row, Outcome::Tested, Some(took), names.collect()),
            Err(error) => self.line(row, Outcome::Failed, None, vec![format!("{error:#}")]),
        };
        self.lines.insert(row.number, line);
    }

    /// Tells it at once, so that one sees how far it is.
    fn line(&self, row: &Row, outcome: Outcome, took: Option<Duration>, figures: Vec<String>) -> Line {
        let seconds_to_recover = took.map(|took| (took.as_secs_f64() * 10.0).round() / 10.0);
        let line = Line { number: row.number, title: row.title, outcome, seconds_to_recover, figures };
        let seconds = line.seconds();
        println!(
            "{:>3}  {:<60} {:<8} {seconds:>8}  {}",
            line.number,
            line.title,
            outcome.word(),
            line.figures.join("; ")
        );
        line
    }

    /// Prints the ledger over all rows.
    pub fn print(&self, as_json: bool) -> Result<()> {
        println!("\nledger: {}", self.ledger);
        if as_json {
            let Ledger { events, lost, doubled, out_of_order, .. } = self.ledger;
            let rows: Vec<&Line> = self.lines.values().collect();
            let object = json!({ "seed": self.seed, "events": events, "lost": lost, "doubled": doubled,
                "out_of_order": out_of_order, "rows": rows });
            println!("{object}");
        }
        Ok(())
    }

    /// Puts the lines of these rows into the table between the markers, in place of what it says of them.
    pub fn write(&self, page: &Path) -> Result<()> {
        let text = fs::read_to_string(page)?;
        let (before, rest) = text.split_once(MARKERS[0]).context("docs/faults.md has no marker")?;
        let (table, after) = rest.split_once(MARKERS[1]).context("docs/faults.md has no second marker")?;
        let mut lines: BTreeMap<u32, String> = table.lines().filter_map(numbered).collect();
        let date = chrono::Utc::now().format("%Y-%m-%d");
        for (number, line) in &self.lines {
            lines.insert(*number, line.in_table(&format!("{date}, {}", self.seed)));
        }
        let head = "| row | fault | outcome | seconds | what was seen | date, seed |\n|---|---|---|---|---|---|";
        let table: Vec<String> = lines.into_values().collect();
        let [begin, end] = MARKERS;
        fs::write(page, format!("{before}{begin}\n{head}\n{}\n{end}{after}", table.join("\n")))?;
        Ok(())
    }

    /// # Errors
    /// Where a row has failed, or anything was lost, doubled or out of order.
    pub fn verdict(&self) -> Result<()> {
        let failed = |line: &&Line| line.outcome == Outcome::Failed;
        let failed: Vec<String> = self.lines.values().filter(failed).map(|line| line.number.to_string()).collect();
        ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
        ensure!(self.ledger.is_clean(), "{}", self.ledger);
        Ok(())
    }
}

impl Line {
    fn seconds(&self) -> String {
        self.seconds_to_recover.map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.1} s"))
    }

    fn in_table(&self, when: &str) -> String {
        let seconds = self.seconds_to_recover.map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.1}"));
        let seen = self.figures.join("; ").replace('\n', " ").replace('|', "/");
        format!("| {} | {} | {} | {seconds} | {seen} | {when} |", self.number, self.title, self.outcome.word())
    }
}

/// A line of the table, and its number.
fn numbered(line: &str) -> Option<(u32, String)> {
    let number = line.strip_prefix("| ")?.split(' ').next()?.parse().ok()?;
    Some((number, line.to_owned()))
}
