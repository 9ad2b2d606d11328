//! Measures what the design asks for, each beside a baseline in the same run.

use clap::Args;

/// What is to be measured.
#[derive(Args)]
pub struct Bench {
    /// Only these.
    rows: Vec<String>,
}

impl Bench {
    /// Measures.
    pub async fn run(self) -> anyhow::Result<()> {
        anyhow::bail!("no row of this name: {:?}", self.rows)
    }
}
