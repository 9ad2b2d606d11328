//! Measures the figures that the design sets targets for, each beside a baseline in the same run.

mod bare;
mod by_hand;
mod consume;
mod counter;
mod counting;
mod finding;
mod gateway;
mod http;
mod load;
mod memory;
mod null_store;
mod outbox;
mod peers;
mod plot;
mod process;
mod program;
mod publish_consume;
mod report;
mod request;
mod six;
mod start;
mod things;
mod things_by_hand;
mod validation;

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use skeleton::{
    config::LogSettings,
    telemetry,
    testing::{Servers, World},
};
use tokio_postgres::NoTls;

pub use program::Program;
use report::Report;

use crate::native::repository;

/// How long a row may take.
const LIMIT: Duration = Duration::from_secs(180);

/// Spans are recorded as in a service; no log lines are written, because they would end up in the table.
const LOG_FILTER: &str = "off,skeleton::telemetry=info,lapin::channel=off,lapin::channels=off,lapin::io_loop=off";

/// Measure the figures that the design sets targets for, each beside a baseline in the same run.
#[derive(Args)]
pub struct Bench {
    /// Rows to measure; all by default, but `peers` only with --write.
    rows: Vec<Row>,
    /// Few messages and rounds: shows that the bench works, without meaningful figures.
    #[arg(long)]
    quick: bool,
    /// Print lines of JSON instead of a table.
    #[arg(long)]
    json: bool,
    /// Measure everything, and write the table into docs/benchmarks.md and the picture beside it.
    #[arg(long, conflicts_with_all = ["quick", "rows"])]
    write: bool,
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Row {
    /// Publishing with confirms, consuming and acknowledging, beside the bare broker library.
    PublishConsume,
    /// Inbox, handler and outbox in Postgres under a backlog, beside a handwritten program.
    Consume,
    /// The same, with one message per transaction.
    ConsumeSingle,
    /// Validating a consumed message against its schema, as a share of a consume.
    Validation,
    /// Request and reply, beside the bare broker library.
    Request,
    /// HTTP to outbox to broker, beside a handwritten program.
    Http,
    /// HTTP through the gateway to a request and back, beside the request alone.
    Gateway,
    /// From a commit to the delivery of the event it published.
    Outbox,
    /// From the start of a service until it is ready.
    Start,
    /// The memory of the six services, idle and under load.
    Memory,
    /// The same two jobs on other stacks, beside ours. Takes some minutes; the first run also builds the stacks.
    Peers,
}

/// How much to measure.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    quick: bool,
}

impl Size {
    /// The first value, or the second in a quick run.
    pub fn choose(self, full: usize, quick: usize) -> usize {
        if self.quick { quick } else { full }
    }
}

impl Row {
    /// The time limit of the row.
    fn limit(self) -> Duration {
        match self {
            Self::Peers => Duration::from_secs(1800),
            _ => LIMIT,
        }
    }

    async fn measure(self, size: Size, report: &mut Report) -> Result<()> {
        match self {
            Self::PublishConsume => publish_consume::measure(size, report).await,
            Self::Consume => consume::measure_backlog(size, report).await,
            Self::ConsumeSingle => consume::measure_singly(size, report).await,
            Self::Validation => validation::measure(size, report).await,
            Self::Request => request::measure(size, report).await,
            Self::Http => http::measure(size, report).await,
            Self::Gateway => gateway::measure(size, report).await,
            Self::Outbox => outbox::measure(size, report).await,
            Self::Start => start::measure(size, report).await,
            Self::Memory => memory::measure(size, report).await,
            Self::Peers => peers::measure(size, report).await,
        }
    }
}

impl Bench {
    /// Runs the bench.
    pub async fn run(self) -> Result<()> {
        let _telemetry =
            telemetry::start("bench", &LogSettings { filter: LOG_FILTER.to_owned(), sentry_dsn: "".into() });
        let all = || Row::value_variants().iter().copied().filter(|row| self.write || *row != Row::Peers).collect();
        let rows: Vec<Row> = if self.rows.is_empty() { all() } else { self.rows };
        let mut report = Report { notes: vec![environment(self.quick).await?], ..Report::default() };
        let mut failed = Vec::new();
        for row in rows {
            let name = row.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
            eprintln!("measuring {name}");
            let measuring = row.measure(Size { quick: self.quick }, &mut report);
            let outcome = tokio::time::timeout(row.limit(), measuring).await.context("timed out").flatten();
            if let Err(error) = outcome {
                failed.push(format!("{name}: {error:#}"));
            }
        }
        print!("{}", if self.json { report.to_json_lines() } else { report.to_table() });
        if !failed.is_empty() {
            bail!("failed to measure:\n{}", failed.join("\n"));
        }
        if self.write {
            let path = repository().join("docs/benchmarks.md");
            let document = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            fs::write(&path, report.put_into(&document)?)?;
            fs::write(path.with_extension("svg"), plot::drawn(&report))?;
        }
        Ok(())
    }
}

/// The folder of the services' programs: that of this program, so that all have the same profile.
pub fn programs() -> PathBuf {
    let beside = || std::env::current_exe().ok()?.parent().map(PathBuf::from);
    std::env::var_os("KITH_BIN").map(PathBuf::from).or_else(beside).unwrap_or_default()
}

/// The date, the machine, its load and the versions of the servers. Refuses a Postgres that flushes nothing to the disk,
/// unless the figures do not count.
async fn environment(quick: bool) -> Result<String> {
    let world = World::new().await;
    let overview = world.admin().get("overview").await;
    world.remove().await;
    let (client, connection) = tokio_postgres::connect(&Servers::from_env().postgres, NoTls).await?;
    tokio::spawn(connection);
    let postgres: String = client.query_one("show server_version", &[]).await?.get(0);
    let fsync: String = client.query_one("show fsync", &[]).await?.get(0);
    if fsync != "on" && !quick {
        bail!(
            "this Postgres runs without fsync, as scripts/test starts it. Stop it with `KITH_RUN=.run/test \
             deploy/native/servers stop postgres`, and run this again: it starts it with fsync"
        );
    }
    let rabbit = overview?["rabbitmq_version"].as_str().unwrap_or("of an unknown version").to_owned();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    Ok(format!(
        "{}: {cores} cores, load before the run {}, RabbitMQ {rabbit}, PostgreSQL {postgres}, profile `{}`",
        chrono::Utc::now().format("%Y-%m-%d %H:%M UTC"),
        load.split(' ').next().unwrap_or("unknown"),
        if cfg!(debug_assertions) { "dev" } else { "release" },
    ))
}
