//! Runs a program of the bench in its own process, so that its CPU time and memory can be measured.

use std::{process::Stdio, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use tokio::process::{Child, Command};

use super::program::Kind;
use crate::usage::Usage;

/// A tool to run the programs under, for instance `strace -D -f -c -o FILE`. The program must keep its process id.
const UNDER: &str = "KITH_BENCH_UNDER";

/// How long a program may take to stop.
const TIMEOUT: Duration = Duration::from_secs(20);

/// The polling interval.
const PAUSE: Duration = Duration::from_millis(100);

/// A running program; killed on drop.
pub struct Process(Child);

impl Process {
    /// Starts one of the bench's own programs with these settings, under a tool if one is configured.
    pub fn start(kind: Kind, settings: &[(String, String)]) -> Result<Self> {
        let program = std::env::current_exe()?;
        let tool = std::env::var(UNDER).unwrap_or_default();
        let mut tool = tool.split_whitespace();
        let mut command = match tool.next() {
            Some(name) => {
                let mut command = Command::new(name);
                command.args(tool).arg(program);
                command
            }
            None => Command::new(program),
        };
        command.args(["bench-program", kind.name()]);
        Self::run(&mut command, settings)
    }

    /// Starts a program with only these settings in its environment.
    pub fn run(command: &mut Command, settings: &[(String, String)]) -> Result<Self> {
        let path = std::env::var("PATH").unwrap_or_default();
        command.env_clear().env("PATH", path).envs(settings.iter().map(|(name, value)| (name, value)));
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true).spawn();
        child.map(Self).with_context(|| format!("cannot start {:?}", command.as_std().get_program()))
    }

    /// Its process id.
    ///
    /// # Errors
    /// If it has exited.
    pub fn pid(&self) -> Result<u32> {
        self.0.id().context("the process has already exited")
    }

    /// The resources it has used so far.
    ///
    /// # Errors
    /// If it has exited.
    pub fn usage(&self) -> Result<Usage> {
        Usage::of(self.pid()?)
    }

    /// Waits until a condition holds while the process runs.
    ///
    /// # Errors
    /// If the process exits first, or the condition does not hold in time.
    pub async fn until<Out>(&mut self, what: &str, limit: Duration, is_so: impl Fn() -> Out) -> Result<()>
    where
        Out: Future<Output = Result<bool>>,
    {
        let waiting = async {
            while !is_so().await? {
                if let Some(status) = self.0.try_wait()? {
                    bail!("the program exited while waiting until {what}: {status}");
                }
                tokio::time::sleep(PAUSE).await;
            }
            Ok(())
        };
        tokio::time::timeout(limit, waiting)
            .await
            .with_context(|| format!("timed out after {} s waiting until {what}", limit.as_secs()))?
    }

    /// Stops it with SIGTERM and waits until it has exited.
    ///
    /// # Errors
    /// If it does not exit.
    pub async fn stop(mut self) -> Result<()> {
        let told = Command::new("kill").arg(self.pid()?.to_string()).status().await?;
        ensure!(told.success(), "cannot stop the process");
        tokio::time::timeout(TIMEOUT, self.0.wait()).await.context("the process did not stop in time")??;
        Ok(())
    }
}
