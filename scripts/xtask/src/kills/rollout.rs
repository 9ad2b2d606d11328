//! Upgrades the six services one by one from one build to another while events flow, and counts what was lost, doubled
//! or parked.

use std::{
    env,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use clap::Args;
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::SliceRandom};
use serde::Serialize;
use skeleton::messaging::topology::Admin;

use crate::{
    native::{self, ServiceProgram, service_names},
    trial::{Counting, Flow, Ledger, flow::BOOK},
};

/// Upgrade the services one by one while events flow, and count what was lost, doubled or parked.
///
/// The servers must be up (deploy/native) and hold nothing of value.
#[derive(Args)]
pub struct Rollout {
    /// The folder with the programs of the previous build.
    #[arg(long)]
    from: PathBuf,
    /// The folder with the programs of the next build; by default that of this program.
    #[arg(long)]
    to: Option<PathBuf>,
    /// The number of events of new contacts.
    #[arg(long, default_value_t = 5_000)]
    events: usize,
    /// The seed of the order of the services and of the moments.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// The result.
#[derive(Serialize)]
struct Outcome {
    upgraded: Vec<&'static str>,
    parked: usize,
    #[serde(flatten)]
    ledger: Ledger,
}

impl Rollout {
    /// Runs it. Fails if anything was lost, doubled or parked.
    pub async fn run(self) -> Result<()> {
        let own = env::current_exe()?;
        let to = self.to.clone().or_else(|| own.parent().map(PathBuf::from)).context("name a folder with --to")?;
        begin_with(&self.from).await?;
        let books = self.events.div_ceil(BOOK);
        let flow = Flow::start(books).await?;
        // The tally reads version 1 of the event, in both builds.
        let mut counting = Counting::start(&[]).await?;
        let (flowing, rolling_out) = tokio::join!(flow.run(async |book| book < books), self.roll_out(&to));
        flowing?;
        let outcome = Outcome { upgraded: rolling_out?, ledger: flow.settled().await?, parked: parked().await? };
        counting.finish().await?;
        println!("{}", serde_json::to_string(&outcome)?);
        ensure!(outcome.ledger.is_clean() && outcome.parked == 0, "{}, {} parked", outcome.ledger, outcome.parked);
        Ok(())
    }

    /// Upgrades each service, in random order and at random moments.
    async fn roll_out(&self, to: &Path) -> Result<Vec<&'static str>> {
        let mut rng = StdRng::seed_from_u64(self.seed);
        let mut order = service_names()?;
        order.shuffle(&mut rng);
        for service in &order {
            tokio::time::sleep(Duration::from_millis(rng.random_range(500..3000))).await;
            replace(service, to).await?;
            println!("upgraded {service}");
        }
        Ok(order)
    }
}

/// Starts the previous build as on a fresh system: without the next build's bindings and parked messages.
async fn begin_with(build: &Path) -> Result<()> {
    let admin = Admin::new(&native::setting("KITH_RABBIT_API")?, "/");
    for service in service_names()? {
        native::run(native::script("services").args(["stop", service])).await?;
        admin.delete(&format!("queues/%2F/{service}.events")).await?;
        ServiceProgram::of(service).await?.run(&["parked", "drop", "--all", "--yes", "--by", "rollout"]).await?;
    }
    for service in service_names()? {
        replace(service, build).await?;
    }
    Ok(())
}

/// Stops the service, applies the topology of its other build, and starts that build.
async fn replace(service: &str, build: &Path) -> Result<()> {
    native::run(native::script("services").args(["stop", service])).await?;
    for step in ["topology", "start"] {
        native::run(native::script("services").args([step, service]).env("KITH_BIN", build)).await?;
    }
    Ok(())
}

async fn parked() -> Result<usize> {
    let mut count = 0;
    for service in service_names()? {
        let list = ServiceProgram::of(service).await?.run(&["parked", "list", "--json"]).await?;
        print!("{list}");
        count += list.lines().filter(|line| line.starts_with('{')).count();
    }
    Ok(count)
}
