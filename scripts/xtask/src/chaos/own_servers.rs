//! Servers and services that the runner starts for itself, beside others on this machine.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

use crate::native;

/// Their ports, unless the environment sets others.
const PLACE: [(&str, &str); 3] =
    [("KITH_PORT_BASE", "23000"), ("KITH_HTTP_PORT", "8380"), ("KITH_ADMIN_PORT_BASE", "9400")];

/// Starts them, runs this command again with `--here` added, and stops them unless they are kept.
///
/// All of `xtask` finds the servers through its environment, so the command runs in a process with its own.
pub async fn run_again_on_them(keeps: bool) -> Result<()> {
    let place = place();
    let script = |name: &str, argument: &str| {
        let mut script = native::script(name);
        script.arg(argument).envs(place.iter().map(|(name, value)| (name, value)));
        script
    };
    native::run(&mut script("servers", "start")).await?;
    let played = run_again(&place).await;
    let services_stopped = native::run(&mut script("services", "stop")).await;
    if !keeps {
        native::run(&mut script("servers", "stop")).await?;
    }
    services_stopped?;
    ensure!(played?, "the rows above failed");
    Ok(())
}

fn place() -> Vec<(String, String)> {
    let given = |(name, value): (&str, &str)| (name.to_owned(), env::var(name).unwrap_or_else(|_| value.to_owned()));
    let folder = |name: &str, given: Option<String>, folder: PathBuf| {
        (name.to_owned(), given.unwrap_or_else(|| folder.to_string_lossy().into_owned()))
    };
    // A sourced servers.env names the folder of another system.
    let is_sourced = |run: &str| env::var("KITH_SECRETS").is_ok_and(|secrets| secrets == format!("{run}/secrets"));
    let run = env::var("KITH_RUN").ok().filter(|run| !is_sourced(run));
    let programs = env::current_exe().ok().and_then(|program| program.parent().map(Path::to_path_buf));
    let mut place: Vec<_> = PLACE.map(given).into();
    place.push(folder("KITH_RUN", run, native::repository().join(".run/chaos")));
    place.extend(programs.map(|programs| folder("KITH_BIN", env::var("KITH_BIN").ok(), programs)));
    place
}

async fn run_again(place: &[(String, String)]) -> Result<bool> {
    // servers.env is shell syntax.
    let mut shell = Command::new("bash");
    shell.args(["-c", "set -a; . \"$KITH_RUN/servers.env\"; set +a; exec \"$0\" \"$@\""]);
    shell.arg(env::current_exe()?).args(env::args_os().skip(1)).arg("--here");
    shell.envs(place.iter().map(|(name, value)| (name, value)));
    Ok(shell.status().await.context("cannot start the rows")?.success())
}
