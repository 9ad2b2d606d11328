//! Where rows are played: the whole system, with events flowing through it.

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

/// Between two address books, so that nobody falls behind: how long an event takes to come through shall not tell how many
/// wait before it.
const PACE: Duration = Duration::from_millis(500);

/// After so many it goes on more slowly: a trouble that lasts shall not end with more than a machine can work off.
const SOON: usize = 60;
const LATER_PACE: Duration = Duration::from_secs(5);

/// The servers, the services and the tally, all up.
pub struct Stage {
    /// The services.
    pub system: System,
    /// What all are started with over their own settings.
    settings: Vec<(String, String)>,
    /// All chance of a row.
    pub rng: StdRng,
    /// How long rows are.
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

    /// Another row begins.
    pub fn begin(&mut self, seed: u64, row: u32) {
        self.rng = StdRng::seed_from_u64(seed ^ (u64::from(row) << 32));
    }

    /// Lets events flow before, during and after some trouble, which must be over when it returns. Then waits until an
    /// event that was written after it has come through, ends the flow, and waits for the ledger.
    pub async fn flowing(&mut self, trouble: impl AsyncFnOnce(&mut Self) -> Result<()>) -> Result<Played> {
        self.flowing_with(async |stage: &mut Self, _: &Flow| trouble(stage).await).await
    }

    /// The same, for trouble that has something of its own to send.
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

    /// Takes the tally away for something that has one of its own, and starts a new one.
    pub async fn without_tally(&mut self, play: impl AsyncFnOnce() -> Result<()>) -> Result<()> {
        self.system.finish().await?;
        let played = play().await;
        self.system = System::start(self.settings.clone()).await?;
        played
    }

    /// After a row that failed: whatever it has left standing still or down is up again.
    pub async fn mend(&mut self) -> Result<()> {
        for server in ["postgres", "rabbitmq", "neo4j", "elasticsearch"] {
            // One that is gone is started below.
            let _ = processes::resume(server).await;
        }
        native::run(native::script("servers").arg("start")).await?;
        self.system.mend().await
    }

    /// Leaves nothing of the tally, and the services as `deploy/native` has them.
    pub async fn clear(mut self) -> Result<()> {
        self.system.finish().await?;
        native::run(native::script("services").arg("stop")).await?;
        native::run(native::script("services").arg("start")).await
    }
}
