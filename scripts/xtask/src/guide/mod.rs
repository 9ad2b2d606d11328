//! Follows guides step by step in a copy of the repository, as a newcomer would.
//!
//! Code blocks `json file=<path>` and the like are written to that file, `diff` is applied, and `sh` is run.

mod steps;

use std::{
    env,
    ffi::OsString,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, Result, ensure};
use clap::Args;
use tokio::{io::AsyncWriteExt, process::Command};

use crate::copy::{build_folder, copied};
use steps::{Block, steps};

/// The maximum number of steps in a guide.
const STEPS: usize = 9;

/// Guides begin with a repository that has no uncommitted changes.
const COMMIT: &str =
    "git add --all && git -c user.name=guide -c user.email=guide@localhost commit --quiet --message 'before the guide'";

/// Follow guides step by step in a copy of the repository, one after the other.
#[derive(Args)]
pub struct Guide {
    /// The guides, such as `docs/adding-an-event.md`.
    #[arg(required = true)]
    guides: Vec<PathBuf>,
}

impl Guide {
    pub async fn run(self) -> Result<()> {
        let copy = copied("guide").await?;
        for guide in self.guides {
            let text = fs::read_to_string(&guide).with_context(|| guide.display().to_string())?;
            let steps = steps(&text)?;
            ensure!(
                !steps.is_empty() && steps.len() <= STEPS,
                "{} steps: a guide has between 1 and {STEPS}",
                steps.len()
            );
            run(Command::new("bash").args(["-euc", COMMIT]), &copy, "").await?;
            for (title, blocks) in steps {
                println!("-- {title}");
                for block in blocks {
                    follow(&block, &copy).await.with_context(|| format!("step {title}"))?;
                }
            }
        }
        Ok(())
    }
}

async fn follow(block: &Block, copy: &Path) -> Result<()> {
    match block {
        Block::File(path, text) => Ok(fs::write(copy.join(path), text)?),
        Block::Diff(diff) => run(Command::new("git").args(["apply", "-"]), copy, diff).await,
        Block::Commands(commands) => run(Command::new("bash").args(["-euxo", "pipefail", "-s"]), copy, commands).await,
    }
}

/// Runs a command in the copy, with this build folder and `input` on its standard input.
async fn run(command: &mut Command, copy: &Path, input: &str) -> Result<()> {
    command.current_dir(copy).env("CARGO_TARGET_DIR", build_folder()?).env_remove("KITH_BIN").stdin(Stdio::piped());
    command.env("PATH", path_with_this_as_xtask(copy)?);
    let mut child = command.spawn()?;
    let mut stdin = child.stdin.take().context("standard input is piped")?;
    stdin.write_all(input.as_bytes()).await?;
    drop(stdin);
    let status = child.wait().await?;
    ensure!(status.success(), "{status} after:\n{input}");
    Ok(())
}

/// A PATH on which `cargo xtask` is this program: no step changes it, and rebuilding it takes minutes.
fn path_with_this_as_xtask(copy: &Path) -> Result<OsString> {
    let folder = copy.join(".git/programs");
    fs::create_dir_all(&folder)?;
    let (cargo, path) = (env!("CARGO"), env::var_os("PATH").unwrap_or_default());
    let this = env::current_exe()?;
    let text =
        format!("#!/bin/sh\nif [ \"$1\" = xtask ]; then shift; exec {this:?} \"$@\"; fi\nexec {cargo:?} \"$@\"\n");
    fs::write(folder.join("cargo"), text)?;
    fs::set_permissions(folder.join("cargo"), fs::Permissions::from_mode(0o755))?;
    // Not the proxies of rustup: started in a dependency's folder, they use the toolchain that a file there names.
    let tools = Path::new(cargo).parent().context("cargo is in a folder")?.to_path_buf();
    Ok(env::join_paths([folder, tools].into_iter().chain(env::split_paths(&path)))?)
}
