//! Builds the catalogue of the messages, as `scripts/docs` does.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

/// Build the catalogue of the messages: a site, and AsyncAPI documents.
#[derive(Args)]
pub struct Catalogue {
    /// Where to: a new folder, an empty one, or an older catalogue, which is replaced.
    #[arg(long, default_value = ".run/catalogue")]
    out: PathBuf,
    /// The repository that it tells of.
    #[arg(long, default_value = ".")]
    repository: PathBuf,
}

impl Catalogue {
    /// Builds it.
    pub fn run(self) -> Result<()> {
        let files = ::catalogue::build(&self.repository, &self.out)?;
        println!("{files} files in {}", self.out.display());
        Ok(())
    }
}
