//! Takes each safety mechanism out of a copy of the repository, one after the other, and sees to it that its test is
//! red then, and green with the mechanism in place. A test that stays green guards nothing.

mod list;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde_json::Value;
use tokio::process::Command;

use crate::copy::{build_folder, copied};
use list::{REMOVALS, Removal};

/// The program that has all the tests.
const TESTS: &str = "skeleton-tests";

/// Take each safety mechanism out of a copy of the repository, one after the other: a named test must turn red.
///
/// The servers must be up and their servers.env read, as for the tests themselves.
#[derive(Args)]
pub struct Removals {
    /// Only this one.
    #[arg(long)]
    only: Option<String>,
}

/// How a test ended.
#[derive(Debug, PartialEq)]
enum Verdict {
    Green,
    Red,
}

impl Removals {
    /// Runs it. Fails when a test does not miss its mechanism, or is red with it.
    pub async fn run(self) -> Result<()> {
        let chosen: Vec<_> =
            REMOVALS.iter().filter(|removal| self.only.as_deref().is_none_or(|only| only == removal.name)).collect();
        ensure!(!chosen.is_empty(), "there is no such mechanism: choose from {}", names());
        let copy = copied("removals").await?;
        let program = build(&copy).await?;
        for removal in &chosen {
            let verdict = run(&copy, &program, removal.test).await?;
            ensure!(
                verdict == Verdict::Green,
                "{} is red with {} in place: mend that first",
                removal.test,
                removal.name
            );
        }
        let mut green = Vec::new();
        for removal in chosen {
            let verdict = without(&copy, removal).await.with_context(|| format!("without {}", removal.name))?;
            println!("without {:<24} {verdict:?}: {} ({})", removal.name, removal.test, removal.without);
            if verdict == Verdict::Green {
                green.push(removal.name);
            }
        }
        ensure!(green.is_empty(), "no test misses {}", green.join(", "));
        Ok(())
    }
}

fn names() -> String {
    REMOVALS.iter().map(|removal| removal.name).collect::<Vec<_>>().join(", ")
}

/// Takes a mechanism out, runs its test, and puts the mechanism back.
async fn without(copy: &Path, removal: &Removal) -> Result<Verdict> {
    let file = copy.join(removal.file);
    let text = fs::read_to_string(&file).with_context(|| removal.file.to_owned())?;
    fs::write(&file, removal.taken_out_of(&text)?)?;
    let outcome = async { run(copy, &build(copy).await?, removal.test).await }.await;
    fs::write(&file, text)?;
    outcome
}

impl Removal {
    fn taken_out_of(&self, text: &str) -> Result<String> {
        let times = text.matches(self.find).count();
        let (name, file) = (self.name, self.file);
        ensure!(
            times == 1,
            "{file} has the text of {name} {times} times, not once: bring the list of removals up to date"
        );
        Ok(text.replace(self.find, self.replace))
    }
}

/// Builds the tests. Returns their program.
async fn build(copy: &Path) -> Result<PathBuf> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    // The whole workspace, so that what the tests share with the programs has the same features and is built once.
    command.args(["test", "--no-run", "--quiet", "--workspace", "--test", TESTS]);
    command.args(["--message-format", "json-render-diagnostics"]);
    command.current_dir(copy).env("CARGO_TARGET_DIR", build_folder()?).stdin(Stdio::null()).stderr(Stdio::piped());
    let output = command.output().await?;
    ensure!(output.status.success(), "it does not build:\n{}", String::from_utf8_lossy(&output.stderr));
    let told = String::from_utf8(output.stdout)?;
    let artifacts = told.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut programs = artifacts.filter(|artifact| artifact["target"]["name"] == TESTS);
    let program = programs.find_map(|artifact| artifact["executable"].as_str().map(PathBuf::from));
    program.with_context(|| format!("cargo names no program for {TESTS}"))
}

/// Runs one test.
async fn run(copy: &Path, program: &Path, test: &str) -> Result<Verdict> {
    let mut command = Command::new(program);
    command.args(["--exact", test]).current_dir(copy.join("skeleton")).stdin(Stdio::null());
    let output = command.output().await?;
    let told = String::from_utf8_lossy(&output.stdout);
    verdict_of(&told).with_context(|| format!("{test}:\n{told}{}", String::from_utf8_lossy(&output.stderr)))
}

/// What a run of one test says. A name that no test has is no verdict.
fn verdict_of(told: &str) -> Result<Verdict> {
    let Some(result) = told.lines().find(|line| line.starts_with("test result: ")) else {
        bail!("it ended without a result");
    };
    match result {
        line if line.contains(" 1 passed; 0 failed;") => Ok(Verdict::Green),
        line if line.contains(" 0 passed; 1 failed;") => Ok(Verdict::Red),
        line => bail!("one test was to be run: {line}"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::native::repository;

    #[test]
    fn each_mechanism_is_where_the_list_says_and_its_test_is_there() {
        for removal in REMOVALS {
            let text = fs::read_to_string(repository().join(removal.file)).unwrap();
            removal.taken_out_of(&text).unwrap();
            let (module, test) = removal.test.rsplit_once("::").unwrap();
            let file = format!("skeleton/tests/all/{}.rs", module.replace("::", "/"));
            let tests = fs::read_to_string(repository().join(file)).unwrap();
            assert!(tests.contains(&format!("fn {test}()")), "{} is gone", removal.test);
        }
    }

    #[test]
    fn a_run_without_its_one_test_is_no_verdict() {
        let result =
            |counts: &str| verdict_of(&format!("\nrunning 1 test\ntest result: FAILED. {counts}; 0 ignored\n"));

        assert_eq!(result("1 passed; 0 failed").unwrap(), Verdict::Green);
        assert_eq!(result("0 passed; 1 failed").unwrap(), Verdict::Red);
        assert!(result("0 passed; 0 failed").is_err() && verdict_of("killed").is_err());
    }
}
