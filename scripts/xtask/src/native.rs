//! What `deploy/native` runs: its scripts, where its servers are, and its processes.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, Result, anyhow, ensure};
use tokio::process::{Child, Command};

/// The repository's folder: that around the current folder, or else the one that this was built in.
pub fn repository() -> PathBuf {
    let here = env::current_dir().unwrap_or_default();
    let around = here.ancestors().find(|folder| folder.join("events/schemas").is_dir());
    let built_in = || Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    around.or_else(built_in).unwrap_or(&here).to_path_buf()
}

/// A setting that is in `servers.env`.
pub fn setting(name: &str) -> Result<String> {
    env::var(name).with_context(|| format!("{name} is not set: run scripts/demo, which reads servers.env"))
}

/// The address of a database, as the administrator.
pub fn postgres(database: &str) -> Result<String> {
    let url = setting("KITH_POSTGRES_URL")?;
    let (place, _) = url.rsplit_once('/').context("KITH_POSTGRES_URL names no database")?;
    Ok(format!("{place}/{database}"))
}

/// The port that the broker listens on.
pub fn broker_port() -> Result<u16> {
    let url = setting("KITH_AMQP_URL")?;
    let port =
        url.rsplit_once('@').and_then(|(_, place)| place.split(['/', '?']).next()?.rsplit_once(':')?.1.parse().ok());
    port.context("KITH_AMQP_URL has no port")
}

/// Where the servers' state, logs and secrets are.
pub fn run_folder() -> PathBuf {
    env::var_os("KITH_RUN").map_or_else(|| PathBuf::from(".run"), PathBuf::from)
}

/// The process of a server or service, from the folder that its state is in.
pub fn pid_of(run_folder: &Path, name: &str) -> Result<String> {
    let file = run_folder.join("pid").join(name);
    let pid = fs::read_to_string(&file).with_context(|| format!("{} cannot be read: is it up?", file.display()))?;
    let pid = pid.split_whitespace().next().ok_or_else(|| anyhow!("{} is empty", file.display()))?;
    Ok(pid.to_owned())
}

/// One of the scripts, `servers` or `services`.
pub fn script(name: &str) -> Command {
    Command::new(repository().join("deploy/native").join(name))
}

/// Runs a script to its end.
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

/// The six services.
pub const SERVICES: [&str; 6] = ["accounts", "contacts", "network", "search", "notifications", "gateway"];

/// The program of a service: it is beside this one.
pub fn program(service: &str) -> Result<PathBuf> {
    Ok(env::current_exe()?.with_file_name(service))
}

/// The program of one of the services, with the settings that `deploy/native` starts it with.
pub struct ServiceProgram {
    name: String,
    settings: Vec<(String, String)>,
}

impl ServiceProgram {
    /// The program beside this one.
    pub async fn of(name: &str) -> Result<Self> {
        let output = script("services").args(["env", name]).output().await?;
        ensure!(output.status.success(), "deploy/native/services env {name} failed");
        let text = String::from_utf8(output.stdout)?;
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        let settings = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Ok(Self { name: name.to_owned(), settings })
    }

    /// One of its settings, by the end of its name.
    pub fn setting(&self, name: &str) -> Result<&str> {
        let variable = format!("{}__{name}", self.name.to_uppercase());
        let found = self.settings.iter().find(|(name, _)| *name == variable);
        found.map(|(_, value)| &**value).with_context(|| format!("{variable} is not set"))
    }

    /// Starts it as `deploy/native` does, with these settings over its own (by the end of their names). It writes into
    /// the service's log, and is killed when it is dropped.
    pub fn start(&self, settings: &[(&str, &str)]) -> Result<Child> {
        let logs = run_folder().join("log");
        fs::create_dir_all(&logs)?;
        let log = File::options().create(true).append(true).open(logs.join(format!("{}.log", self.name)))?;
        let prefix = self.name.to_uppercase();
        let mut command = Command::new(program(&self.name)?);
        command.env_clear().envs([("LANG", "C.UTF-8"), ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")]);
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        command.envs(settings.iter().map(|(name, value)| (format!("{prefix}__{name}"), value)));
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).kill_on_drop(true);
        command.spawn().with_context(|| format!("{} does not start", self.name))
    }

    /// Runs one of its commands to its end. Returns what it prints.
    pub async fn run(&self, arguments: &[&str]) -> Result<String> {
        let settings = self.settings.iter().map(|(name, value)| (name, value));
        let output = Command::new(program(&self.name)?).args(arguments).envs(settings).output().await?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{} {}: {text}", self.name, arguments.join(" "));
        Ok(text)
    }
}
