//! Builds the tests in a copy of the repository, and runs one of them.

use std::{
    env,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tokio::process::Command;

use crate::copy::build_folder;

/// The program that contains all the tests.
const TESTS: &str = "skeleton-tests";

/// The result of a test.
#[derive(Debug, PartialEq)]
pub enum Verdict {
    /// It passed.
    Green,
    /// It failed.
    Red,
}

/// Builds the tests. Returns the path of their program.
pub async fn build(copy: &Path) -> Result<PathBuf> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    // The whole workspace, so that dependencies shared with the programs have the same features and are built once.
    command.args(["test", "--no-run", "--quiet", "--workspace", "--test", TESTS]);
    command.args(["--message-format", "json-render-diagnostics"]);
    command.current_dir(copy).env("CARGO_TARGET_DIR", build_folder()?).stdin(Stdio::null()).stderr(Stdio::piped());
    let output = command.output().await?;
    ensure!(output.status.success(), "it does not build:\n{}", String::from_utf8_lossy(&output.stderr));
    let told = String::from_utf8(output.stdout)?;
    let artifacts = told.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut programs = artifacts.filter(|artifact| artifact["target"]["name"] == TESTS);
    let program = programs.find_map(|artifact| artifact["executable"].as_str().map(PathBuf::from));
    program.with_context(|| format!("cargo reported no program for {TESTS}"))
}

/// Runs one test.
pub async fn run(copy: &Path, program: &Path, test: &str) -> Result<Verdict> {
    let mut command = Command::new(program);
    command.args(["--exact", test]).current_dir(copy.join("skeleton")).stdin(Stdio::null());
    let output = command.output().await?;
    let told = String::from_utf8_lossy(&output.stdout);
    verdict_of(&told).with_context(|| format!("{test}:\n{told}{}", String::from_utf8_lossy(&output.stderr)))
}

/// The verdict in the output of one test. If no test has the name, there is no verdict.
fn verdict_of(told: &str) -> Result<Verdict> {
    let Some(result) = told.lines().find(|line| line.starts_with("test result: ")) else {
        bail!("the output has no result");
    };
    match result {
        line if line.contains(" 1 passed; 0 failed;") => Ok(Verdict::Green),
        line if line.contains(" 0 passed; 1 failed;") => Ok(Verdict::Red),
        line => bail!("expected one test to run: {line}"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_run_without_its_one_test_is_no_verdict() {
        let result =
            |counts: &str| verdict_of(&format!("\nrunning 1 test\ntest result: FAILED. {counts}; 0 ignored\n"));

        assert_eq!(result("1 passed; 0 failed").unwrap(), Verdict::Green);
        assert_eq!(result("0 passed; 1 failed").unwrap(), Verdict::Red);
        assert!(result("0 passed; 0 failed").is_err() && verdict_of("killed").is_err());
    }
}
