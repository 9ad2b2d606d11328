//! Runs git, cargo and rustfmt.

use std::{
    env,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};

/// Runs git in a folder. Returns its output.
pub fn git(folder: &Path, arguments: &[&str]) -> Result<String> {
    run(folder, "git", arguments)
}

/// Runs git in a folder without the user's settings, which change the form of patches. Returns its output.
pub fn plain_git(folder: &Path, arguments: &[&str]) -> Result<String> {
    let mut command = Command::new("git");
    clear(&mut command, |name| name.starts_with("GIT_CONFIG"));
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    output_of(command.args(arguments), folder, "")
}

/// Runs a program in a folder. Returns its output.
pub fn run(folder: &Path, program: &str, arguments: &[&str]) -> Result<String> {
    run_with_input(folder, program, arguments, "")
}

/// Runs a program in a folder, with an input. Returns its output.
pub fn run_with_input(folder: &Path, program: &str, arguments: &[&str], input: &str) -> Result<String> {
    output_of(Command::new(program).args(arguments), folder, input)
}

/// Removes variables from a command's environment.
fn clear(command: &mut Command, is_removed: impl Fn(&str) -> bool) {
    for (name, _) in env::vars_os().filter(|(name, _)| is_removed(&name.to_string_lossy())) {
        command.env_remove(name);
    }
}

fn output_of(command: &mut Command, folder: &Path, input: &str) -> Result<String> {
    // What a hook of git sets, or a user: it would mean another repository, or another form of patches.
    clear(command, |name| name.starts_with("GIT_") && !name.starts_with("GIT_CONFIG"));
    let arguments: Vec<_> = command.get_args().map(|argument| argument.to_string_lossy().into_owned()).collect();
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .current_dir(folder)
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
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} {} failed:\n{}", arguments.join(" "), errors.trim_end());
    written.with_context(|| format!("{program} has not read its input"))?;
    String::from_utf8(output.stdout).with_context(|| format!("what {program} printed is not UTF-8"))
}
