//! A service in this program, run as a process: `xtask tally`, `xtask writer`.

use std::{
    env,
    fs::{self, File},
    net::TcpListener,
    time::Duration,
};

use anyhow::{Context, Result};
use skeleton::{Environment, Postgres, Service, Settings, telemetry};
use tokio::process::{Child, Command};

use crate::{native::run_folder, wait::until};

/// How long it may take to become ready.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A process that runs one of this program's services; killed on drop.
pub struct OwnService {
    command: &'static str,
    settings: Vec<(String, String)>,
    admin: String,
    process: Option<Child>,
}

impl OwnService {
    /// Does not start it yet. `prefix` is the service's name; the settings are named by the end of their names.
    pub fn new(command: &'static str, prefix: &str, settings: Vec<(&str, String)>) -> Result<Self> {
        let admin = free_address()?;
        let named = settings.into_iter().chain([("ADMIN__ADDRESS", admin.clone())]);
        let prefix = prefix.to_uppercase();
        let settings = named.map(|(name, value)| (format!("{prefix}__{name}"), value)).collect();
        Ok(Self { command, settings, admin, process: None })
    }

    /// Adds these settings.
    pub fn with(mut self, variables: &[(String, String)]) -> Self {
        self.settings.extend(variables.iter().cloned());
        self
    }

    /// Starts it if it is not running.
    pub fn start(&mut self) -> Result<()> {
        let is_there = self.process.as_mut().is_some_and(|process| matches!(process.try_wait(), Ok(None)));
        if !is_there {
            self.process = Some(self.spawn()?);
        }
        Ok(())
    }

    fn spawn(&self) -> Result<Child> {
        let log = run_folder().join("log");
        fs::create_dir_all(&log)?;
        let log = File::options().create(true).append(true).open(log.join(format!("{}.log", self.command)))?;
        let mut command = Command::new(env::current_exe()?);
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        command.arg(self.command).stdout(log.try_clone()?).stderr(log).kill_on_drop(true);
        command.spawn().with_context(|| format!("cannot start {}", self.command))
    }

    /// Waits until it reports that it is ready.
    pub async fn ready(&self) -> Result<()> {
        let client = reqwest::Client::new();
        let url = format!("http://{}/health/ready", self.admin);
        let is_ready = async || Ok(client.get(&url).send().await?.status().is_success());
        until(&format!("{} to be ready", self.command), TIMEOUT, is_ready).await
    }

    /// Kills it with SIGKILL.
    pub async fn kill(&mut self) -> Result<()> {
        let process = self.process.take();
        let mut process = process.with_context(|| format!("cannot kill {}: it is not running", self.command))?;
        process.kill().await.with_context(|| format!("cannot kill {}", self.command))
    }

    /// Whether it is running, as far as is known.
    pub fn is_started(&self) -> bool {
        self.process.is_some()
    }

    /// Its process id.
    pub fn pid(&self) -> Result<String> {
        let pid = self.process.as_ref().and_then(Child::id);
        Ok(pid.with_context(|| format!("{} is not running", self.command))?.to_string())
    }

    /// One of its metrics, summed over all labels.
    pub async fn metric(&self, name: &str) -> Result<f64> {
        let text = reqwest::get(format!("http://{}/metrics", self.admin)).await?.text().await?;
        let is_it = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']));
        let value = |line: &str| line.rsplit(' ').next().and_then(|value| value.parse::<f64>().ok());
        // Not `sum`: the sum of no values is -0.
        Ok(text.lines().filter(is_it).filter_map(value).fold(0.0, |sum, value| sum + value))
    }
}

/// Runs such a service in this process until it is killed.
pub async fn run_until_killed(service: Service<Postgres>) -> Result<()> {
    let settings = Settings::read_with(service.name(), service.defaults(), env::vars().collect())?;
    // First of all: metrics recorded before it are lost.
    let _telemetry = telemetry::start(service.name(), &settings.section("log")?);
    let running = service.start(settings, Environment::system()).await?;
    std::future::pending::<()>().await;
    running.stop().await;
    Ok(())
}

/// A free address.
pub fn free_address() -> Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}
