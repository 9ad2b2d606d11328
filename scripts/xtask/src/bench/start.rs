//! The time from the start of a service until it is ready, with its servers up.

use std::{
    net::TcpListener,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use skeleton::{
    Postgres,
    testing::{TestStore, World},
};
use tokio::process::{Child, Command};

use super::{
    Size, bare,
    program::settings_of,
    programs,
    report::{Aim, Finding, Report},
};

/// How long a start may take.
const TIMEOUT: Duration = Duration::from_secs(20);

/// The interval between two readiness checks.
const PAUSE: Duration = Duration::from_millis(2);

/// The first start also creates the tables and is shown separately.
pub async fn measure(size: Size, report: &mut Report) -> Result<()> {
    let program = programs().join("contacts");
    if !program.exists() {
        report.notes.push(format!("start: skipped, {} is not built", program.display()));
        return Ok(());
    }
    let world = World::new().await;
    let database = Postgres::provision(&format!("{}-start", bare::vhost(&world))).await;
    let settings = settings_of(&world, "contacts", &database.settings);
    let measured = starts(&program, &settings, size.choose(5, 2)).await;
    Postgres::remove(database).await;
    world.remove().await;
    let (first, others) = measured?;
    let finding = |what, ours, aim| Finding { ours, ..Finding::new("start", what, "ms", aim) };
    report.findings.push(finding("contacts, start to ready", others, Aim::AtMost(300.0)));
    report.findings.push(finding("contacts, the first start, which creates its tables", vec![first], Aim::None));
    Ok(())
}

/// Measures the first start, and some more.
async fn starts(program: &Path, settings: &[(String, String)], more: usize) -> Result<(f64, Vec<f64>)> {
    let topology = command(program, settings).args(["topology", "apply"]).status().await?;
    ensure!(topology.success(), "cannot apply the topology of contacts");
    let first = one_start(program, settings).await?;
    let mut others = Vec::with_capacity(more);
    for _ in 0..more {
        others.push(one_start(program, settings).await?);
    }
    Ok((first, others))
}

fn command(program: &Path, settings: &[(String, String)]) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .envs(settings.iter().cloned())
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .kill_on_drop(true);
    command
}

async fn one_start(program: &Path, settings: &[(String, String)]) -> Result<f64> {
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let http = reqwest::Client::new();
    let began = Instant::now();
    let mut child = command(program, settings).env("CONTACTS__ADMIN__ADDRESS", format!("127.0.0.1:{port}")).spawn()?;
    let url = format!("http://127.0.0.1:{port}/health/ready");
    loop {
        if http.get(&url).send().await.is_ok_and(|response| response.status().is_success()) {
            break;
        }
        if let Some(status) = child.try_wait()? {
            bail!("contacts exited while starting: {status}");
        }
        ensure!(began.elapsed() < TIMEOUT, "contacts was not ready within {} s", TIMEOUT.as_secs());
        tokio::time::sleep(PAUSE).await;
    }
    let taken = began.elapsed().as_secs_f64() * 1e3;
    stop(child).await?;
    Ok(taken)
}

/// Stops a process with SIGTERM and waits until it has exited.
async fn stop(mut child: Child) -> Result<()> {
    let id = child.id().context("the process has already exited")?;
    let told = Command::new("kill").arg(id.to_string()).status().await?;
    ensure!(told.success(), "cannot stop process {id}");
    tokio::time::timeout(TIMEOUT, child.wait()).await.context("the process did not stop in time")??;
    Ok(())
}
