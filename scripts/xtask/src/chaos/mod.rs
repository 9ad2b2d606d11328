//! `cargo xtask chaos`: plays faults on servers and services while events flow, heals them, and counts what was lost,
//! doubled or out of order.
//!
//! The faults are numbered rows, `docs/faults.md` lists them. Each is a [`Row`] in the list of its section:
//! [`processes`] 1 to 13, [`broker`] 14 to 28, [`messages`] 29 to 38, [`databases`] 39 to 52, [`network`] 53 to 58. A new section is a module with `pub fn rows() -> Vec<Row>`, and a line in
//! [`all_rows`]. A row is one of three:
//!
//! - [`Row::played`]: a function that is given the [`Stage`], on which all servers and services are up, and which leaves
//!   them so. It calls [`Stage::flowing`] with the trouble as an async closure: events flow before, during and after it;
//!   when the closure returns, the trouble must be healed. Then an event that is written after the healing is followed
//!   through all services (the seconds to recover), the flow ends, and the ledger is awaited and counted.
//!   [`Stage::system`] kills, pauses and starts services, [`crate::trial::processes`] does so with servers. All chance comes
//!   from [`Stage::rng`], which begins anew for each row, from the seed and the row's number.
//!   [`Row::within`] says how many seconds the row may take to recover.
//! - [`Row::tested`]: named tests that show just that; the runner runs them, after the rows that are played, because tests
//!   use the same servers.
//!
//! Servers keep running between rows. After a row that failed, all that does not run is started again.

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

/// Play faults on services and servers while events flow, and count what was lost, doubled or out of order.
#[derive(Args)]
pub struct Chaos {
    /// Which rows of docs/faults.md, for instance 1-5,14.
    #[arg(long, default_value = "1-58", value_parser = Choice::parse)]
    rows: Choice,
    /// Decides the moments.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// End with one line of JSON.
    #[arg(long)]
    json: bool,
    /// Write the results into docs/faults.md.
    #[arg(long)]
    write: bool,
    /// Use the servers and services that are up here (deploy/native), with nothing of value in them, in place of own ones.
    #[arg(long)]
    here: bool,
    /// Leave the own servers running.
    #[arg(long)]
    keep: bool,
    #[command(flatten)]
    lengths: Lengths,
}

/// Every row there is.
fn all_rows() -> Vec<Row> {
    [processes::rows(), broker::rows(), messages::rows(), databases::rows(), network::rows()].concat()
}

impl Chaos {
    /// Runs it. Fails when a row did, or anything was lost, doubled or out of order.
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
