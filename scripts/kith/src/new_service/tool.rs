//! Runs git, cargo and rustfmt.

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};

/// Runs git in a folder. Returns its output.
pub fn git(folder: &Path, arguments: &[&str]) -> Result<String> {
    run(folder, "git", arguments)
}

/// Runs a program in a folder. Returns its output.
pub fn run(folder: &Path, program: &str, arguments: &[&str]) -> Result<String> {
    run_with_input(folder, program, arguments, "")
}

/// Runs a program in a folder, with an input. Returns its output.
pub fn run_with_input(folder: &Path, program: &str, arguments: &[&str], input: &str) -> Result<String> {
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        // Set where a hook of git runs this command: they would mean another repository.
        .env_remove("GIT_DIR")
        .env_remove("GIT_INDEX_FILE")
        .env_remove("GIT_WORK_TREE")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {program}: is it installed?"))?;
    let mut stdin = child.stdin.take().context("no input")?;
    // None of the programs writes before it has read everything.
    let written = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output()?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} {} failed:\n{}", arguments.join(" "), told.trim_end());
    written.with_context(|| format!("{program} has not read its input"))?;
    String::from_utf8(output.stdout).with_context(|| format!("what {program} printed is not UTF-8"))
}
