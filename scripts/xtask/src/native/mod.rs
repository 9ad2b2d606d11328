//! Access to what `deploy/native` runs: its scripts, its servers' addresses, and its processes.

mod service_program;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Stdio,
    sync::OnceLock,
};

use anyhow::{Context, Result, anyhow, ensure};
use kith_cli::{Service, Store};
use tokio::process::Command;

pub use service_program::{ServiceProgram, program};

/// The repository's folder: the one around the current folder, or else the one this program was built in.
pub fn repository() -> PathBuf {
    let here = env::current_dir().unwrap_or_default();
    let around = here.ancestors().find(|folder| folder.join("events/schemas").is_dir());
    let built_in = || Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    around.or_else(built_in).unwrap_or(&here).to_path_buf()
}

/// A setting from `servers.env`.
pub fn setting(name: &str) -> Result<String> {
    env::var(name).with_context(|| {
        format!(
            "{name} is not set: run `set -a; . .run/servers.env; set +a` (.run/test/servers.env for the test servers)"
        )
    })
}

/// The URL of a database, with the administrator's credentials.
pub fn postgres(database: &str) -> Result<String> {
    let url = setting("KITH_POSTGRES_URL")?;
    let (place, _) = url.rsplit_once('/').context("KITH_POSTGRES_URL names no database")?;
    Ok(format!("{place}/{database}"))
}

/// The broker's port.
pub fn broker_port() -> Result<u16> {
    let url = setting("KITH_AMQP_URL")?;
    let port =
        url.rsplit_once('@').and_then(|(_, place)| place.split(['/', '?']).next()?.rsplit_once(':')?.1.parse().ok());
    port.context("KITH_AMQP_URL has no port")
}

/// The folder of the servers' state, logs and secrets.
pub fn run_folder() -> PathBuf {
    env::var_os("KITH_RUN").map_or_else(|| PathBuf::from(".run"), PathBuf::from)
}

/// The process id of a server or service, from its state folder.
pub fn pid_of(run_folder: &Path, name: &str) -> Result<String> {
    let file = run_folder.join("pid").join(name);
    let pid = fs::read_to_string(&file).with_context(|| format!("cannot read {}: is it running?", file.display()))?;
    let pid = pid.split_whitespace().next().ok_or_else(|| anyhow!("{} is empty", file.display()))?;
    Ok(pid.to_owned())
}

/// One of the scripts, `servers` or `services`.
pub fn script(name: &str) -> Command {
    Command::new(repository().join("deploy/native").join(name))
}

/// Runs a script to completion.
pub async fn run(script: &mut Command) -> Result<()> {
    let output = script.stdin(Stdio::null()).output().await?;
    ensure!(
        output.status.success(),
        "{:?} failed:\n{}{}",
        script.as_std(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// The services of this repository, in the order of their admin ports.
pub fn services() -> Result<&'static [Service]> {
    static SERVICES: OnceLock<Vec<Service>> = OnceLock::new();
    if let Some(services) = SERVICES.get() {
        return Ok(services);
    }
    let services = kith_cli::services(&repository())?;
    Ok(SERVICES.get_or_init(|| services))
}

/// Their names.
pub fn service_names() -> Result<Vec<&'static str>> {
    Ok(services()?.iter().map(|service| service.name.as_str()).collect())
}

/// The names of those whose store is of this kind.
pub fn services_on(store: Store) -> Result<Vec<&'static str>> {
    let chosen = services()?.iter().filter(|service| service.store == store);
    Ok(chosen.map(|service| service.name.as_str()).collect())
}
