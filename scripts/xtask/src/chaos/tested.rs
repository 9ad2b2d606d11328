//! Rows shown by tests: the runner runs exactly these tests.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    path::PathBuf,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::process::Command;

use super::row::Test;
use crate::native;

/// The built test programs, by the name of their target.
pub struct Programs(BTreeMap<String, Program>);

struct Program {
    path: PathBuf,
    /// The folder of its crate, in which tests run.
    folder: PathBuf,
}

impl Programs {
    /// Builds the programs of these tests, if there are any.
    pub async fn build(tests: impl Iterator<Item = &Test>) -> Result<Self> {
        let wanted: BTreeSet<&str> = tests.map(|Test(program, _)| *program).collect();
        if wanted.is_empty() {
            return Ok(Self(BTreeMap::new()));
        }
        // The whole workspace: building single crates would rebuild everything with fewer features.
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["test", "--no-run", "--workspace", "--message-format=json"]);
        cargo.args(wanted.iter().flat_map(|program| ["--test", program]));
        let built = cargo.current_dir(native::repository()).stderr(Stdio::inherit()).output().await?;
        ensure!(built.status.success(), "failed to build the tests");
        let lines = String::from_utf8(built.stdout)?;
        Ok(Self(lines.lines().filter_map(|line| program(&serde_json::from_str(line).ok()?)).collect()))
    }

    /// Runs each of these tests. Returns how long they took together.
    ///
    /// # Errors
    /// If a test fails, with the end of its output, or if a test does not exist.
    pub async fn run(&self, tests: &[Test]) -> Result<Duration> {
        let began = Instant::now();
        for Test(program, name) in tests {
            let program = self.0.get(*program).with_context(|| format!("there is no test program {program}"))?;
            let mut command = Command::new(&program.path);
            command.args(["--exact", name]).current_dir(&program.folder).stdin(Stdio::null());
            let output = command.output().await?;
            let said = String::from_utf8_lossy(&output.stdout);
            ensure!(output.status.success(), "{name} failed:\n{}", end_of(&said));
            ensure!(said.contains("1 passed"), "there is no test {name}");
        }
        Ok(began.elapsed())
    }
}

fn program(built: &Value) -> Option<(String, Program)> {
    let path = PathBuf::from(built["executable"].as_str()?);
    let folder = PathBuf::from(built["manifest_path"].as_str()?).parent()?.to_path_buf();
    Some((built["target"]["name"].as_str()?.to_owned(), Program { path, folder }))
}

fn end_of(said: &str) -> String {
    let lines: Vec<&str> = said.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}
