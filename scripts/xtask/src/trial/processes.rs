//! Signals to the servers and services that `deploy/native` has started.

use std::{fs, time::Duration};

use anyhow::{Result, ensure};
use tokio::process::Command;

use crate::native::{self, run_folder};

/// Sends SIGKILL. Returns once the process is gone, which takes a while for a large one.
pub async fn kill(name: &str) -> Result<()> {
    let pid = pid_of(name)?;
    signal(&pid, "-KILL").await?;
    while is_alive(&pid) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

/// Pauses it for a time, and then kills it without resuming it.
pub async fn kill_after_hanging(name: &str, hanging: Duration) -> Result<()> {
    pause(name).await?;
    tokio::time::sleep(hanging).await;
    kill(name).await
}

/// Pauses a server or service with SIGSTOP.
pub async fn pause(name: &str) -> Result<()> {
    signal(&pid_of(name)?, "-STOP").await
}

/// Resumes it.
pub async fn resume(name: &str) -> Result<()> {
    signal(&pid_of(name)?, "-CONT").await
}

/// Restarts a server and waits until it responds.
pub async fn start_server(name: &str) -> Result<()> {
    native::run(native::script("servers").args(["start", name])).await
}

/// Starts one of the six services with these variables, and waits until it is ready.
pub async fn start_service(name: &str, settings: &[(String, String)]) -> Result<()> {
    let settings = settings.iter().map(|(name, value)| (name, value));
    native::run(native::script("services").args(["start", name]).envs(settings)).await
}

/// The process id of a server or of one of the six services.
pub fn pid_of(name: &str) -> Result<String> {
    native::pid_of(&run_folder(), name)
}

/// Sends a signal to a process.
pub async fn signal(pid: &str, signal: &str) -> Result<()> {
    let sent = Command::new("kill").args([signal, pid]).status().await?;
    ensure!(sent.success(), "cannot send {signal} to process {pid}");
    Ok(())
}

/// Whether the process exists and is not a zombie (`Z` in proc_pid_stat(5)).
pub fn is_alive(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with('Z'))
}

/// The number of unread bytes at a server's port, on the connection that has most.
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
