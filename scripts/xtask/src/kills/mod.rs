//! Kills services and the broker with SIGKILL while events flow, and counts what was lost, doubled or out of order.
//!
//! [`crate::trial`] defines the flow, the counts and the moments of the kills; `cargo xtask chaos` plays the same as
//! row 6.

mod rollout;

use anyhow::{Result, ensure};
use clap::Args;
use rand::{SeedableRng, rngs::StdRng};
use serde::Serialize;

use crate::trial::{Killing, Ledger, System};

pub use rollout::Rollout;

/// Kill services and the broker while events flow, and count what was lost, doubled or out of order.
///
/// The servers and the services must be up (deploy/native) and hold nothing of value.
#[derive(Args)]
pub struct Kills {
    #[command(flatten)]
    killing: Killing,
    /// The seed of all random choices.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// The result.
#[derive(Serialize)]
struct Outcome {
    /// Kills of services.
    kills: usize,
    /// Kills of the broker.
    broker_kills: usize,
    #[serde(flatten)]
    ledger: Ledger,
}

impl Kills {
    /// Runs it. Fails if anything was lost, doubled or out of order.
    pub async fn run(self) -> Result<()> {
        let mut system = System::start(Vec::new()).await?;
        let ledger = self.killing.run(&mut system, &mut StdRng::seed_from_u64(self.seed)).await?;
        system.finish().await?;
        let outcome = Outcome { kills: self.killing.services, broker_kills: self.killing.broker, ledger };
        println!("{}", serde_json::to_string(&outcome)?);
        ensure!(ledger.is_clean(), "{ledger}");
        Ok(())
    }
}
