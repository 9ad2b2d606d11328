//! The services' programs, started as `deploy/native` starts them.

use std::{
    env,
    fs::{self, File},
    path::PathBuf,
    process::Stdio,
};

use anyhow::{Context, Result, ensure};
use tokio::process::{Child, Command};

use super::{run_folder, script};

/// The path of a service's program, beside this one.
pub fn program(service: &str) -> Result<PathBuf> {
    Ok(env::current_exe()?.with_file_name(service))
}

/// A service's program with the settings that `deploy/native` gives it.
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

    /// The setting whose name ends in this.
    pub fn setting(&self, name: &str) -> Result<&str> {
        let variable = format!("{}__{name}", self.name.to_uppercase());
        let found = self.settings.iter().find(|(name, _)| *name == variable);
        found.map(|(_, value)| &**value).with_context(|| format!("{variable} is not set"))
    }

    /// Starts it as `deploy/native` does, with these settings (by the end of their names) taking precedence. It writes
    /// to the service's log, and is killed on drop.
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
        command.spawn().with_context(|| format!("cannot start {}", self.name))
    }

    /// Runs one of its commands to completion. Returns the output.
    pub async fn run(&self, arguments: &[&str]) -> Result<String> {
        let settings = self.settings.iter().map(|(name, value)| (name, value));
        let output = Command::new(program(&self.name)?).args(arguments).envs(settings).output().await?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{} {}: {text}", self.name, arguments.join(" "));
        Ok(text)
    }
}
