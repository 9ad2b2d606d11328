//! The stage for rows: the whole system, with events flowing through it.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use anyhow::Result;
use rand::{SeedableRng, rngs::StdRng};

use super::{lengths::Lengths, played::Played};
use crate::{
    native,
    trial::{Flow, System, processes},
};

/// How many accounts the flow of a row has.
const ACCOUNTS: usize = 4;

/// The pause between two address books, so that no service falls behind: the time of an event shall not depend on how
/// many wait before it.
const PACE: Duration = Duration::from_millis(500);

/// The number of address books after which the flow slows down: a long fault shall not leave a backlog that the machine
/// cannot process.
const SOON: usize = 60;
const LATER_PACE: Duration = Duration::from_secs(5);

/// The servers, the services and the tally, all up.
pub struct Stage {
    /// The services.
    pub system: System,
    /// Settings that all services are started with, in addition to their own.
    settings: Vec<(String, String)>,
    /// The source of all random choices in a row.
    pub rng: StdRng,
    /// The lengths of rows.
    pub lengths: Lengths,
}

impl Stage {
    /// Starts everything anew.
    pub async fn set(lengths: Lengths) -> Result<Self> {
        native::run(native::script("services").arg("stop")).await?;
        native::run(native::script("services").arg("topology")).await?;
        native::run(native::script("services").arg("start")).await?;
        let settings = Vec::new();
        let system = System::start(settings.clone()).await?;
        Ok(Self { system, settings, rng: StdRng::seed_from_u64(0), lengths })
    }

    /// Prepares another row.
    pub fn begin(&mut self, seed: u64, row: u32) {
        self.rng = StdRng::seed_from_u64(seed ^ (u64::from(row) << 32));
    }

    /// Lets events flow before, during and after a fault, which must be healed when `trouble` returns. Then waits until
    /// an event that was written afterwards has arrived, ends the flow, and waits for the ledger.
    pub async fn flowing(&mut self, trouble: impl AsyncFnOnce(&mut Self) -> Result<()>) -> Result<Played> {
        self.flowing_with(async |stage: &mut Self, _: &Flow| trouble(stage).await).await
    }

    /// The same, for a fault that also sends through the flow itself.
    pub async fn flowing_with(&mut self, trouble: impl AsyncFnOnce(&mut Self, &Flow) -> Result<()>) -> Result<Played> {
        let flow = Flow::start(ACCOUNTS).await?;
        let enough = Cell::new(false);
        let troubling = async {
            let mut filled = flow.filled();
            filled.wait_for(|filled| *filled > 0).await?;
            let recovered = async {
                trouble(self, &flow).await?;
                let healed = Instant::now();
                flow.pulse().await?;
                Ok::<_, anyhow::Error>(healed.elapsed())
            };
            let recovered = recovered.await;
            enough.set(true);
            recovered
        };
        let paced = async |book: usize| {
            tokio::time::sleep(if book < SOON { PACE } else { LATER_PACE }).await;
            !enough.get()
        };
        let (flowed, recovery) = tokio::join!(flow.run(paced), troubling);
        let recovery = recovery?;
        flowed?;
        let ledger = flow.settled().await?;
        Ok(Played { ledger, recovery, figures: Vec::new() })
    }

    /// Stops the tally for a part that has its own, and starts a new one afterwards.
    pub async fn without_tally(&mut self, play: impl AsyncFnOnce() -> Result<()>) -> Result<()> {
        self.system.finish().await?;
        let played = play().await;
        self.system = System::start(self.settings.clone()).await?;
        played
    }

    /// After a failed row: resumes or restarts all that is paused or down.
    pub async fn mend(&mut self) -> Result<()> {
        for server in ["postgres", "rabbitmq", "neo4j", "elasticsearch"] {
            // A stopped one is started below.
            let _ = processes::resume(server).await;
        }
        native::run(native::script("servers").arg("start")).await?;
        self.system.mend().await
    }

    /// Removes the tally, and restores the services as `deploy/native` runs them.
    pub async fn clear(mut self) -> Result<()> {
        self.system.finish().await?;
        native::run(native::script("services").arg("stop")).await?;
        native::run(native::script("services").arg("start")).await
    }
}
