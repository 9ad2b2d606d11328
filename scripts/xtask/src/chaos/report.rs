//! The results of the rows: a line for each, the ledger, JSON, and the table in docs/faults.md.

use std::{collections::BTreeMap, path::Path, time::Duration};

use anyhow::{Result, ensure};
use serde_json::json;

use super::{
    line::{Line, Outcome},
    played::Played,
    row::Row,
};
use crate::{page_table::PageTable, trial::Ledger};

/// The table in docs/faults.md.
const TABLE: PageTable =
    PageTable { name: "rows", columns: &["row", "fault", "outcome", "seconds", "result", "date, seed"] };

/// The results of all rows.
pub struct Report {
    seed: u64,
    ledger: Ledger,
    lines: BTreeMap<u32, Line>,
}

impl Report {
    /// Without results.
    pub fn new(seed: u64) -> Self {
        Self { seed, ledger: Ledger::default(), lines: BTreeMap::new() }
    }

    /// Adds the result of a played row. Returns whether it failed.
    pub fn played(&mut self, row: &Row, played: Result<Played>) -> bool {
        let line = match played {
            Ok(played) => {
                self.ledger = self.ledger.and(played.ledger);
                let too_late = row.limit.is_some_and(|limit| played.recovery > limit);
                let is_good = played.ledger.is_clean() && !too_late;
                let mut figures = vec![played.ledger.to_string()];
                figures.extend(played.figures);
                figures
                    .extend(row.limit.filter(|_| too_late).map(|limit| format!("the limit is {} s", limit.as_secs())));
                let outcome = if is_good { Outcome::Passed } else { Outcome::Failed };
                Line::told(row, outcome, Some(played.recovery), figures)
            }
            Err(error) => Line::told(row, Outcome::Failed, None, vec![format!("{error:#}")]),
        };
        let has_failed = line.outcome == Outcome::Failed;
        self.lines.insert(row.number, line);
        has_failed
    }

    /// Adds the result of a tested row.
    pub fn tested(&mut self, row: &Row, tested: Result<Duration>) {
        let names = row.tests().unwrap_or_default().iter().map(|test| format!("`{}`", test.1));
        let line = match tested {
            Ok(took) => Line::told(row, Outcome::Tested, Some(took), names.collect()),
            Err(error) => Line::told(row, Outcome::Failed, None, vec![format!("{error:#}")]),
        };
        self.lines.insert(row.number, line);
    }

    /// Prints the ledger of all rows.
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

    /// Replaces the lines of these rows in the table of the page.
    pub fn write(&self, page: &Path) -> Result<()> {
        let when = format!("{}, {}", chrono::Utc::now().format("%Y-%m-%d"), self.seed);
        TABLE.update(page, number_of, self.lines.iter().map(|(number, line)| (*number, line.in_table(&when))))
    }

    /// # Errors
    /// If a row failed, or anything was lost, doubled or out of order.
    pub fn verdict(&self) -> Result<()> {
        let failed = |(_, line): &(&u32, &Line)| line.outcome == Outcome::Failed;
        let failed: Vec<String> = self.lines.iter().filter(failed).map(|(number, _)| number.to_string()).collect();
        ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
        ensure!(self.ledger.is_clean(), "{}", self.ledger);
        Ok(())
    }
}

/// The number of the row that a line of the table is about.
fn number_of(line: &str) -> Option<u32> {
    line.strip_prefix("| ")?.split(' ').next()?.parse().ok()
}
