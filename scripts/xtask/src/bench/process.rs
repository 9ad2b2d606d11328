//! A program of the bench in a process of its own, so that its CPU time and its memory are its own.

use std::{process::Stdio, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use tokio::process::{Child, Command};

use super::program::Kind;
use crate::usage::Usage;

/// What the programs run under: `strace -D -f -c -o FILE`, for instance. It must leave the program the process's number.
const UNDER: &str = "KITH_BENCH_UNDER";

/// How long a program may take to stop.
const PATIENCE: Duration = Duration::from_secs(20);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// A program that runs; killed when it is dropped.
pub struct Process(Child);

impl Process {
    /// Starts one of the bench's own programs with these settings; under a tool, where one is named.
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

    /// Starts a program with nothing but these settings.
    pub fn run(command: &mut Command, settings: &[(String, String)]) -> Result<Self> {
        let path = std::env::var("PATH").unwrap_or_default();
        command.env_clear().env("PATH", path).envs(settings.iter().map(|(name, value)| (name, value)));
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true).spawn();
        child.map(Self).with_context(|| format!("{:?} does not start", command.as_std().get_program()))
    }

    /// Its number.
    ///
    /// # Errors
    /// Where it has ended.
    pub fn pid(&self) -> Result<u32> {
        self.0.id().context("the process has ended by itself")
    }

    /// What it has used so far.
    ///
    /// # Errors
    /// Where it has ended.
    pub fn usage(&self) -> Result<Usage> {
        Usage::of(self.pid()?)
    }

    /// Waits until something is so, while the process runs.
    ///
    /// # Errors
    /// Where it ends before, or it is not so in time.
    pub async fn until<Out>(&mut self, what: &str, limit: Duration, is_so: impl Fn() -> Out) -> Result<()>
    where
        Out: Future<Output = Result<bool>>,
    {
        let waiting = async {
            while !is_so().await? {
                if let Some(status) = self.0.try_wait()? {
                    bail!("the program ended before {what}: {status}");
                }
                tokio::time::sleep(PAUSE).await;
            }
            Ok(())
        };
        tokio::time::timeout(limit, waiting).await.with_context(|| format!("{what}: not in {} s", limit.as_secs()))?
    }

    /// Ends it the way an operator does, and waits for its end.
    ///
    /// # Errors
    /// Where it does not end.
    pub async fn stop(mut self) -> Result<()> {
        let told = Command::new("kill").arg(self.pid()?.to_string()).status().await?;
        ensure!(told.success(), "the process could not be stopped");
        tokio::time::timeout(PATIENCE, self.0.wait()).await.context("the process did not stop in time")??;
        Ok(())
    }
}
