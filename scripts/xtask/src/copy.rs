//! A copy of the repository to try things in.

use std::{env, fs, path::PathBuf};

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

use crate::native::{repository, setting};

/// A copy of the working tree, uncommitted changes included and ignored files excluded, as a repository of its own without a
/// commit.
pub async fn copied(name: &str) -> Result<PathBuf> {
    let copy = PathBuf::from(setting("KITH_RUN")?).join(name);
    if copy.exists() {
        fs::remove_dir_all(&copy)?;
    }
    fs::create_dir_all(&copy)?;
    let script = "git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t \"$0\" && git -C \"$0\" init --quiet";
    let status = Command::new("bash").args(["-euc", script]).arg(&copy).current_dir(repository()).status().await?;
    ensure!(status.success(), "cannot copy the repository to {}", copy.display());
    Ok(copy)
}

/// The build folder of this program; copies build there too.
pub fn build_folder() -> Result<PathBuf> {
    env::current_exe()?.ancestors().nth(2).map(PathBuf::from).context("this program does not run from a build folder")
}
