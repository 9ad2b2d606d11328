//! Removes each safety mechanism, one at a time, from a copy of the repository, and checks that its test then fails,
//! and passes with the mechanism in place. A test that still passes guards nothing.

mod list;
mod outcome;
mod run;
mod without;

use std::{fs, path::PathBuf, time::Instant};

use anyhow::{Result, ensure};
use clap::Args;

use crate::copy::copied;
use list::{Removal, removals};
use outcome::{Outcome, TABLE, revision};
use run::{Verdict, build, run};
use without::without;

/// Remove each safety mechanism, one at a time, from a copy of the repository: a named test must fail.
///
/// The servers must be up and their servers.env sourced, as for the tests themselves.
#[derive(Args)]
pub struct Removals {
    /// Only these mechanisms, separated by commas.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Write each result into the table of this page, docs/removals.md.
    #[arg(long)]
    write: Option<PathBuf>,
}

impl Removals {
    /// Runs it. Fails if a test passes without its mechanism, or fails with it.
    pub async fn run(self) -> Result<()> {
        let chosen = self.chosen()?;
        let revision = revision().await?;
        let copy = copied("removals").await?;
        let complete = copy.join("tests-of-the-complete-copy");
        // Each build replaces the program of the one before.
        fs::copy(build(&copy).await?, &complete)?;
        let mut unguarded = Vec::new();
        for removal in chosen {
            let began = Instant::now();
            let verdict = async {
                let verdict = run(&copy, &complete, removal.test).await?;
                ensure!(verdict == Verdict::Green, "the test fails with the mechanism in place: fix that first");
                without(&copy, removal).await
            };
            let verdict = verdict.await;
            let outcome = Outcome { removal, verdict, took: began.elapsed(), revision: &revision };
            println!("{outcome}");
            // At once: a run takes hours, and an interrupted one keeps its results.
            if let Some(page) = &self.write {
                TABLE.update(page, outcome::place_of, [outcome.line()])?;
            }
            if !outcome.is_guarded() {
                unguarded.push(removal.name);
            }
        }
        ensure!(unguarded.is_empty(), "no test fails without {}", unguarded.join(", "));
        Ok(())
    }

    fn chosen(&self) -> Result<Vec<&'static Removal>> {
        for name in &self.only {
            let is_there = removals().any(|removal| removal.name == name);
            ensure!(is_there, "there is no mechanism {name}: choose from {}", names());
        }
        let is_chosen = |removal: &&Removal| self.only.is_empty() || self.only.iter().any(|name| name == removal.name);
        Ok(removals().filter(is_chosen).collect())
    }
}

fn names() -> String {
    removals().map(|removal| removal.name).collect::<Vec<_>>().join(", ")
}
