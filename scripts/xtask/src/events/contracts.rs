//! Writes what each service says of itself into its folder, where others read it without building the service.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;
use tokio::process::Command;

use crate::native::{program, repository};

/// Write `services/<name>/contract.json` from what the built services say of themselves.
#[derive(Args)]
pub struct Write {
    /// Only say which are out of date, and fail if any is.
    #[arg(long)]
    check: bool,
}

impl Write {
    /// Runs it. False where something is out of date.
    pub async fn run(self) -> Result<bool> {
        let mut stale = Vec::new();
        for folder in services()? {
            let name = folder.file_name().and_then(|name| name.to_str()).context("a service's name is UTF-8")?;
            let (path, said) = (folder.join("contract.json"), said_by(name).await?);
            if fs::read_to_string(&path).is_ok_and(|written| written == said) {
                continue;
            }
            if !self.check {
                fs::write(&path, &said).with_context(|| path.display().to_string())?;
                println!("{} is written", path.display());
            }
            stale.push(name.to_owned());
        }
        if self.check && !stale.is_empty() {
            println!("out of date: {}; run cargo xtask events contracts, and look at what changed", stale.join(", "));
        }
        Ok(!self.check || stale.is_empty())
    }
}

fn services() -> Result<Vec<PathBuf>> {
    let folder = repository().join("services");
    let entries = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.retain(|path| path.join("Cargo.toml").is_file());
    paths.sort();
    Ok(paths)
}

/// What a service says of itself.
async fn said_by(service: &str) -> Result<String> {
    let path = program(service)?;
    let output =
        Command::new(&path).arg("contract").output().await.with_context(|| {
            format!("{} cannot be run: build it with cargo build --workspace --bins", path.display())
        })?;
    ensure!(output.status.success(), "{service} contract: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}
