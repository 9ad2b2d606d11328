//! Follows a guide step by step in a copy of the repository, as a newcomer would.
//!
//! Of its code blocks, `json file=<path>` and the like are written to that file, `diff` is applied, and `sh` is run.

use std::{
    env,
    ffi::OsString,
    fs, iter,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, Result, ensure};
use clap::Args;
use tokio::{io::AsyncWriteExt, process::Command};

use crate::copy::{build_folder, copied};

/// The most steps that a guide may have.
const STEPS: usize = 9;

/// Follow a guide step by step in a copy of the repository.
#[derive(Args)]
pub struct Guide {
    /// The guide, `docs/adding-an-event.md`.
    guide: PathBuf,
}

/// What a code block is for.
#[derive(Debug, PartialEq)]
enum Block {
    File(PathBuf, String),
    Diff(String),
    Commands(String),
}

impl Guide {
    pub async fn run(self) -> Result<()> {
        let text = fs::read_to_string(&self.guide).with_context(|| self.guide.display().to_string())?;
        let steps = steps(&text)?;
        ensure!(!steps.is_empty() && steps.len() <= STEPS, "{} steps: a guide has {STEPS} at most", steps.len());
        let copy = copied("guide").await?;
        for (title, blocks) in steps {
            println!("-- {title}");
            for block in blocks {
                block.follow(&copy).await.with_context(|| format!("step {title}"))?;
            }
        }
        Ok(())
    }
}

/// The steps, `## 1. Title`, with their blocks in order.
fn steps(text: &str) -> Result<Vec<(String, Vec<Block>)>> {
    let mut steps: Vec<(String, Vec<Block>)> = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(title) = line.strip_prefix("## ") {
            steps.push((title.to_owned(), Vec::new()));
        }
        let Some(kind) = line.strip_prefix("```") else { continue };
        let body: String = lines.by_ref().take_while(|line| *line != "```").map(|line| format!("{line}\n")).collect();
        let (_, blocks) = steps.last_mut().with_context(|| format!("a code block before the first step: {kind}"))?;
        blocks.push(match kind.split_once(" file=") {
            Some((_, path)) => Block::File(path.into(), body),
            None if kind == "diff" => Block::Diff(body),
            None if kind == "sh" => Block::Commands(body),
            None => anyhow::bail!("a code block of the kind {kind:?} cannot be followed"),
        });
    }
    Ok(steps)
}

impl Block {
    async fn follow(&self, copy: &Path) -> Result<()> {
        match self {
            Self::File(path, text) => Ok(fs::write(copy.join(path), text)?),
            Self::Diff(diff) => run(Command::new("git").args(["apply", "-"]), copy, diff).await,
            Self::Commands(commands) => {
                run(Command::new("bash").args(["-euxo", "pipefail", "-s"]), copy, commands).await
            }
        }
    }
}

/// Runs a command in the copy, with the same build folder as here, and gives it this to read.
async fn run(command: &mut Command, copy: &Path, input: &str) -> Result<()> {
    command.current_dir(copy).env("CARGO_TARGET_DIR", build_folder()?).env_remove("KITH_BIN").stdin(Stdio::piped());
    command.env("PATH", path_with_this_as_xtask(copy)?);
    let mut child = command.spawn()?;
    let mut stdin = child.stdin.take().context("it has an input")?;
    stdin.write_all(input.as_bytes()).await?;
    drop(stdin);
    let status = child.wait().await?;
    ensure!(status.success(), "{status} after:\n{input}");
    Ok(())
}

/// A PATH on which `cargo xtask` is this program: no step changes it, and to build it once more takes minutes.
fn path_with_this_as_xtask(copy: &Path) -> Result<OsString> {
    let folder = copy.join(".git/programs");
    fs::create_dir_all(&folder)?;
    let (cargo, path) = (env!("CARGO"), env::var_os("PATH").unwrap_or_default());
    let this = env::current_exe()?;
    let text =
        format!("#!/bin/sh\nif [ \"$1\" = xtask ]; then shift; exec {this:?} \"$@\"; fi\nexec {cargo:?} \"$@\"\n");
    fs::write(folder.join("cargo"), text)?;
    fs::set_permissions(folder.join("cargo"), fs::Permissions::from_mode(0o755))?;
    Ok(env::join_paths(iter::once(folder).chain(env::split_paths(&path)))?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn steps_have_their_blocks_in_order_and_other_kinds_are_refused() {
        let text = "# Guide\n\n## 1. Write\n\n```json file=a.json\n{}\n```\n\n## 2. Run\n\n```sh\ntrue\n```\n```diff\n-a\n+b\n```\n";

        let steps = steps(text).unwrap();

        assert_eq!(steps[0], ("1. Write".to_owned(), vec![Block::File("a.json".into(), "{}\n".to_owned())]));
        assert_eq!(steps[1].1, [Block::Commands("true\n".to_owned()), Block::Diff("-a\n+b\n".to_owned())]);
        assert!(super::steps("## 1. Draw\n```svg\n```\n").is_err() && super::steps("```sh\n```\n").is_err());
    }
}
