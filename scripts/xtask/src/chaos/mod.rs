//! `cargo xtask chaos`: injects faults into servers and services while events flow, heals them, and counts what was
//! lost, doubled or out of order.
//!
//! The faults are numbered rows, listed in `docs/faults.md`. Each is a [`Row`] in the list of its section:
//! [`processes`] 1 to 13, [`broker`] 14 to 28, [`messages`] 29 to 38, [`databases`] 39 to 52, [`network`] 53 to 59. A
//! new section is a module with `pub fn rows() -> Vec<Row>`, and a line in [`all_rows`]. A row is one of two kinds:
//!
//! - [`Row::played`]: a function that gets the [`Stage`]. All servers and services are up before and after it. It calls
//!   [`Stage::flowing`] with the fault as an async closure: events flow before, during and after it. When the closure
//!   returns, the fault must be healed. Then an event written after the healing is followed through all services (the
//!   seconds to recover), the flow ends, and the ledger is counted once it has settled. [`Stage::system`] kills, pauses
//!   and starts services; [`crate::trial::processes`] does so with servers. All random choices come from [`Stage::rng`],
//!   which is seeded anew for each row from the seed and the row's number. [`Row::within`] limits the seconds to recover.
//! - [`Row::tested`]: named tests that show the effect. The runner runs them after the played rows, because tests use the
//!   same servers.
//!
//! Servers keep running between rows. After a failed row, all servers and services are up again.

mod backlog;
mod broker;
mod broker_disk;
mod callers;
mod choice;
mod crash_points;
mod database_tests;
mod databases;
mod few_files;
mod full_disk;
mod hold;
mod lengths;
mod line;
mod links;
mod messages;
mod network;
mod own_servers;
mod pair;
mod parked;
mod played;
mod processes;
mod rabbit;
mod report;
mod row;
mod server;
mod stage;
mod tested;
mod writer;

use anyhow::{Result, ensure};
use clap::Args;

use crate::native;
use choice::{Choice, duration};
use lengths::Lengths;
use report::Report;
use row::{How, Row};
use stage::Stage;
use tested::Programs;

pub use writer::Writer;

/// Inject faults into services and servers while events flow, and count what was lost, doubled or out of order.
#[derive(Args)]
pub struct Chaos {
    /// Rows of docs/faults.md, for example 1-5,14.
    #[arg(long, default_value = "1-59", value_parser = Choice::parse)]
    rows: Choice,
    /// The seed of all random choices.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// End with one line of JSON.
    #[arg(long)]
    json: bool,
    /// Write the results into docs/faults.md.
    #[arg(long)]
    write: bool,
    /// Use the running servers and services (deploy/native) instead of own ones; they must hold nothing of value.
    #[arg(long)]
    here: bool,
    /// Leave the own servers running.
    #[arg(long)]
    keep: bool,
    #[command(flatten)]
    lengths: Lengths,
}

/// All rows.
fn all_rows() -> Vec<Row> {
    [processes::rows(), broker::rows(), messages::rows(), databases::rows(), network::rows()].concat()
}

impl Chaos {
    /// Runs it. Fails if a row failed, or if anything was lost, doubled or out of order.
    pub async fn run(self) -> Result<()> {
        if !self.here {
            return own_servers::run_again_on_them(self.keep).await;
        }
        let rows: Vec<Row> = all_rows().into_iter().filter(|row| self.rows.has(row.number)).collect();
        ensure!(!rows.is_empty(), "there is no such row");
        let mut report = Report::new(self.seed);
        self.play(&rows, &mut report).await?;
        self.test(&rows, &mut report).await?;
        report.print(self.json)?;
        if self.write {
            report.write(&native::repository().join("docs/faults.md"))?;
        }
        report.verdict()
    }

    async fn play(&self, rows: &[Row], report: &mut Report) -> Result<()> {
        if !rows.iter().any(|row| matches!(row.how, How::Played(_))) {
            return Ok(());
        }
        let mut stage = Stage::set(self.lengths.clone()).await?;
        for row in rows {
            if let How::Played(play) = row.how {
                stage.begin(self.seed, row.number);
                let played = play(&mut stage).await;
                let has_failed = report.played(row, played);
                if has_failed {
                    stage.mend().await?;
                }
            }
        }
        stage.clear().await
    }

    async fn test(&self, rows: &[Row], report: &mut Report) -> Result<()> {
        let tests: Vec<_> = rows.iter().filter_map(|row| row.tests().map(|tests| (row, tests))).collect();
        let programs = Programs::build(tests.iter().flat_map(|(_, tests)| tests.iter())).await?;
        for (row, tests) in tests {
            report.tested(row, programs.run(tests).await);
        }
        Ok(())
    }
}
