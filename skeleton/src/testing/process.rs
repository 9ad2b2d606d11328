//! A replica in a separate process, so that it can be killed.

use std::{ffi::OsStr, process::Stdio};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use super::{TIMEOUT, TestApp, TestStore};

/// A process of the service's program. Killed when dropped.
pub struct Process {
    child: Child,
}

impl<S: TestStore> TestApp<S> {
    /// Starts another replica from the program at this path (`env!("CARGO_BIN_EXE_notifications")`), on the same queues
    /// and store, with the same settings except lists. Returns once it has started.
    pub async fn process(&self, program: &str) -> Process {
        let mut child = self
            .command(program)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{program} cannot be run: {error}"));
        let mut lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        let started = async {
            while let Ok(Some(line)) = lines.next_line().await {
                if line.contains("\"started\"") {
                    return true;
                }
            }
            false
        };
        let started = tokio::time::timeout(TIMEOUT, started).await;
        assert_eq!(started, Ok(true), "{program} has not started");
        // Read to the end: a process blocks if its output is not read.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Process { child }
    }

    /// A command that runs a program with the settings of this service. Its process is killed when dropped.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut settings = self.settings.clone();
        settings.set("log", "filter", "info");
        let mut command = Command::new(program);
        command.envs(settings.variables()).stdin(Stdio::null()).kill_on_drop(true);
        command
    }
}

impl Process {
    /// Kills it, as an operating system that is out of memory does.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("the process runs");
    }
}
