//! `new-service`.

use std::{path::Path, process::ExitCode};

use anyhow::Result;
use clap::Args;
use kith_cli::{Patch, Words};

/// Make a new service from the template.
#[derive(Args)]
pub struct NewService {
    /// Its name, in lower-case letters, digits and underscores: also of its crate, database, and user of the servers.
    name: String,
    /// What it keeps, in one word: types, tables and messages are named after it.
    #[arg(long, default_value = "record")]
    thing: String,
    /// Several of them, if it is not the regular plural.
    #[arg(long)]
    things: Option<String>,
    /// Print what would change, and change nothing.
    #[arg(long)]
    dry_run: bool,
}

impl NewService {
    /// Makes the service.
    pub fn run(self, root: &Path) -> Result<ExitCode> {
        let words = Words::try_new(self.name, self.thing, self.things)?;
        let patch = Patch::of(root, &words)?;
        if self.dry_run {
            print!("{}", patch.text());
            return Ok(ExitCode::SUCCESS);
        }
        patch.apply(root)?;
        let Words { service: name, thing, things } = words;
        println!(
            "made services/{name} and events/schemas/{name} for {things} (one: {thing}); git diff --cached shows all changes"
        );
        println!("next:");
        println!("  cargo build --workspace --bins && cargo xtask events contracts");
        println!("  scripts/test --servers");
        println!("  (set -a; . .run/test/servers.env; set +a; cargo test --workspace --test {name}-tests)");
        println!("  scripts/up");
        Ok(ExitCode::SUCCESS)
    }
}
