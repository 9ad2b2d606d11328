//! Writes each service's contract into its folder, so that it can be read without building the service.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use clap::Args;
use tokio::process::Command;

use crate::native::{program, repository};

/// Write `services/<name>/contract.json`, and that of the template, from the contracts that the built services print.
#[derive(Args)]
pub struct Write {
    /// Only list outdated files, and fail if there are any.
    #[arg(long)]
    check: bool,
}

impl Write {
    /// Runs it. Returns false if a file is out of date.
    pub async fn run(self) -> Result<bool> {
        let mut stale = Vec::new();
        for folder in folders()? {
            let name = program_of(&folder)?;
            let (path, said) = (folder.join("contract.json"), said_by(&name).await?);
            if fs::read_to_string(&path).is_ok_and(|written| written == said) {
                continue;
            }
            if !self.check {
                fs::write(&path, &said).with_context(|| path.display().to_string())?;
                println!("wrote {}", path.display());
            }
            stale.push(name);
        }
        if self.check && !stale.is_empty() {
            println!("out of date: {}; run cargo xtask events contracts, and review the changes", stale.join(", "));
        }
        Ok(!self.check || stale.is_empty())
    }
}

/// The folders of the services and of the template.
fn folders() -> Result<Vec<PathBuf>> {
    let folder = repository().join("services");
    let entries = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.retain(|path| path.join("Cargo.toml").is_file());
    paths.push(repository().join("skeleton/template"));
    paths.sort();
    Ok(paths)
}

/// The name of a folder's program, which is that of its package.
fn program_of(folder: &Path) -> Result<String> {
    let manifest = fs::read_to_string(folder.join("Cargo.toml"))?;
    let name = manifest.lines().find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'));
    name.map(str::to_owned).with_context(|| format!("{} has no package", folder.display()))
}

/// The contract that a service prints.
async fn said_by(service: &str) -> Result<String> {
    let path = program(service)?;
    let output = Command::new(&path)
        .arg("contract")
        .output()
        .await
        .with_context(|| format!("cannot run {}: build it with cargo build --workspace --bins", path.display()))?;
    ensure!(output.status.success(), "{service} contract: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}
