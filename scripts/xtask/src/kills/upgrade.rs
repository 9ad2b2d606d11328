//! Upgrades the six services, one after the other, from one build to another while events flow, and counts what was
//! lost, doubled or parked.

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
    native::{self, SERVICES, ServiceProgram},
    trial::{Counting, Flow, Ledger, flow::BOOK},
};

/// Upgrade the services one after the other while events flow, and count what was lost, doubled or parked.
///
/// The servers must be up (deploy/native), with nothing of value in them.
#[derive(Args)]
pub struct Upgrade {
    /// The folder with the programs of the build before.
    #[arg(long)]
    from: PathBuf,
    /// The folder with the programs of the build after; this program's own where it is not given.
    #[arg(long)]
    to: Option<PathBuf>,
    /// How many events of new contacts flow.
    #[arg(long, default_value_t = 5_000)]
    events: usize,
    /// Decides the order of the services and the moments.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// What came of it.
#[derive(Serialize)]
struct Outcome {
    upgraded: Vec<&'static str>,
    parked: usize,
    #[serde(flatten)]
    ledger: Ledger,
}

impl Upgrade {
    /// Runs it. Fails when anything was lost, doubled or parked.
    pub async fn run(self) -> Result<()> {
        let own = env::current_exe()?;
        let to = self.to.clone().or_else(|| own.parent().map(PathBuf::from)).context("name a folder with --to")?;
        begin_with(&self.from).await?;
        let books = self.events.div_ceil(BOOK);
        let flow = Flow::start(books).await?;
        // It is written against version 1 of the event, and stays so.
        let mut counting = Counting::start(&[]).await?;
        let (flowing, upgrading) = tokio::join!(flow.run(async |book| book < books), self.upgrade(&to));
        flowing?;
        let outcome = Outcome { upgraded: upgrading?, ledger: flow.settled().await?, parked: parked().await? };
        counting.finish().await?;
        println!("{}", serde_json::to_string(&outcome)?);
        ensure!(outcome.ledger.is_clean() && outcome.parked == 0, "{}, {} parked", outcome.ledger, outcome.parked);
        Ok(())
    }

    /// Each in turn, in an order and at moments of chance.
    async fn upgrade(&self, to: &Path) -> Result<Vec<&'static str>> {
        let mut rng = StdRng::seed_from_u64(self.seed);
        let mut order = SERVICES.to_vec();
        order.shuffle(&mut rng);
        for service in &order {
            tokio::time::sleep(Duration::from_millis(rng.random_range(500..3000))).await;
            replace(service, to).await?;
            println!("upgraded {service}");
        }
        Ok(order)
    }
}

/// Starts the build before, as if the build after had never been: without its bindings and what it has parked.
async fn begin_with(build: &Path) -> Result<()> {
    let admin = Admin::new(&native::setting("KITH_RABBIT_API")?, "/");
    for service in SERVICES {
        native::run(native::script("services").args(["stop", service])).await?;
        admin.delete(&format!("queues/%2F/{service}.events")).await?;
        ServiceProgram::of(service).await?.run(&["parked", "drop", "--all", "--yes", "--by", "upgrade"]).await?;
    }
    for service in SERVICES {
        replace(service, build).await?;
    }
    Ok(())
}

/// Drains the service, makes what its other build needs on the broker, and starts that.
async fn replace(service: &str, build: &Path) -> Result<()> {
    native::run(native::script("services").args(["stop", service])).await?;
    for step in ["topology", "start"] {
        native::run(native::script("services").args([step, service]).env("KITH_BIN", build)).await?;
    }
    Ok(())
}

async fn parked() -> Result<usize> {
    let mut count = 0;
    for service in SERVICES {
        let list = ServiceProgram::of(service).await?.run(&["parked", "list"]).await?;
        print!("{list}");
        count += list.lines().count();
    }
    Ok(count)
}
