//! Row 58: a gateway with a low limit of open files.

use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::{net::TcpStream, process::Command, time::Instant};

use super::{callers::public_place, played::Played, stage::Stage};
use crate::{usage::Usage, wait::until};

/// The gateway's limit of open files, how many connections are opened, and how long the gateway is observed.
const FILES: u32 = 64;
const CONNECTIONS: usize = 200;
const LOOK: Duration = Duration::from_secs(3);

/// More connections than files: the gateway must wait for some to close, without busy waiting.
pub async fn play(stage: &mut Stage) -> Result<Played> {
    let (mut share, mut answered) = (0.0, Duration::ZERO);
    let trouble = async |stage: &mut Stage| {
        let pid = stage.system.pid("gateway")?;
        limit_files(&pid).await?;
        let connections = open_connections().await?;
        share = share_of_a_core(&pid).await?;
        drop(connections);
        answered = until_answered().await?;
        Ok(())
    };
    let played = stage.flowing(trouble).await?;
    stage.system.kill("gateway").await?;
    stage.system.start_again("gateway").await?;
    ensure!(share < 0.5, "the gateway used {:.0} % of a core while it could not open a file", share * 100.0);
    let recovery = played.recovery.max(answered);
    let figure = format!("{CONNECTIONS} connections, {:.0} % of a core meanwhile", share * 100.0);
    Ok(Played { recovery, ..played }.with(figure))
}

async fn limit_files(pid: &str) -> Result<()> {
    let limited = Command::new("prlimit").args(["--pid", pid, &format!("--nofile={FILES}:{FILES}")]).status().await?;
    ensure!(limited.success(), "cannot limit the gateway's open files");
    Ok(())
}

async fn open_connections() -> Result<Vec<TcpStream>> {
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        connections.push(TcpStream::connect(public_place()).await?);
    }
    Ok(connections)
}

/// The share of a core that the process uses while observed.
async fn share_of_a_core(pid: &str) -> Result<f64> {
    let pid = pid.parse()?;
    let (before, began) = (Usage::of(pid)?.cpu_s, Instant::now());
    tokio::time::sleep(LOOK).await;
    Ok((Usage::of(pid)?.cpu_s - before) / began.elapsed().as_secs_f64())
}

async fn until_answered() -> Result<Duration> {
    let (url, began) = (format!("http://{}/openapi.json", public_place()), Instant::now());
    let client = reqwest::Client::builder().timeout(Duration::from_secs(2)).build()?;
    let is_answered = async || Ok(client.get(&url).send().await?.status().is_success());
    until("the gateway to respond again", Duration::from_secs(60), is_answered).await?;
    Ok(began.elapsed())
}
