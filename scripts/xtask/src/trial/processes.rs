//! Signals to the servers and services that `deploy/native` has started.

use std::{fs, time::Duration};

use anyhow::{Result, ensure};
use tokio::process::Command;

use crate::native::{self, run_folder};

/// SIGKILL. Returns once the process is gone: a large one takes a while.
pub async fn kill(name: &str) -> Result<()> {
    let pid = pid_of(name)?;
    signal(&pid, "-KILL").await?;
    while is_alive(&pid) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

/// Stands it still for a time, and kills it without ever letting it go on.
pub async fn kill_after_hanging(name: &str, hanging: Duration) -> Result<()> {
    pause(name).await?;
    tokio::time::sleep(hanging).await;
    kill(name).await
}

/// Stands a server or service still, wherever it is.
pub async fn pause(name: &str) -> Result<()> {
    signal(&pid_of(name)?, "-STOP").await
}

/// Lets it go on as if nothing had happened.
pub async fn resume(name: &str) -> Result<()> {
    signal(&pid_of(name)?, "-CONT").await
}

/// Starts a server again and waits until it answers.
pub async fn start_server(name: &str) -> Result<()> {
    native::run(native::script("servers").args(["start", name])).await
}

/// Starts one of the six services with these variables and waits until it is ready.
pub async fn start_service(name: &str, settings: &[(String, String)]) -> Result<()> {
    let settings = settings.iter().map(|(name, value)| (name, value));
    native::run(native::script("services").args(["start", name]).envs(settings)).await
}

/// The process of a server or of one of the six services.
pub fn pid_of(name: &str) -> Result<String> {
    native::pid_of(&run_folder(), name)
}

/// Sends a signal to a process.
pub async fn signal(pid: &str, signal: &str) -> Result<()> {
    let sent = Command::new("kill").args([signal, pid]).status().await?;
    ensure!(sent.success(), "process {pid} was not there to be sent {signal}");
    Ok(())
}

/// Whether there is such a process, and not only its exit status (`Z` in proc_pid_stat(5)).
pub fn is_alive(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with('Z'))
}

/// How many bytes have come to the port of a server that it has not read yet, over that connection which has most of them.
pub fn unread_bytes(port: u16) -> Result<u64> {
    let suffix = format!(":{port:04X}");
    let table = fs::read_to_string("/proc/net/tcp")?;
    let unread = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (local, queues) = (fields.get(1)?, fields.get(4)?);
        let (_, received) = queues.split_once(':')?;
        local.ends_with(&suffix).then(|| u64::from_str_radix(received, 16).ok())?
    };
    Ok(table.lines().filter_map(unread).max().unwrap_or(0))
}
