//! How much memory the six services take while they have nothing to do.

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Context, Result};

use super::{
    Size, programs,
    report::{Aim, Finding, Report},
};
use crate::native::{self, SERVICES};

/// Starts all six the way an operator does, and reads what the system says they hold.
pub async fn measure(size: Size, report: &mut Report) -> Result<()> {
    let missing: Vec<_> = SERVICES.into_iter().filter(|service| !programs().join(service).exists()).collect();
    if !missing.is_empty() {
        report.notes.push(format!("memory: skipped, not built in {}: {}", programs().display(), missing.join(", ")));
        return Ok(());
    }
    let measured = resident(size.choose(10, 1)).await;
    services("stop").await?;
    let megabytes = measured?;
    let finding = |what, megabytes, aim| Finding { ours: vec![megabytes], ..Finding::new("memory", what, "MB", aim) };
    let all = megabytes.iter().map(|(_, megabytes)| megabytes).sum();
    report.findings.push(finding("all six services at rest", all, Aim::AtMost(60.0)));
    report.findings.extend(megabytes.into_iter().map(|(service, megabytes)| finding(service, megabytes, Aim::None)));
    Ok(())
}

/// Starts the services, lets them rest, and reads their resident memory in megabytes.
async fn resident(rest_s: usize) -> Result<Vec<(&'static str, f64)>> {
    for command in ["topology", "start"] {
        services(command).await?;
    }
    tokio::time::sleep(Duration::from_secs(rest_s as u64)).await;
    SERVICES.into_iter().map(|service| Ok((service, resident_of(service)?))).collect()
}

fn resident_of(service: &str) -> Result<f64> {
    let pid = native::pid_of(&run_folder(), service)?;
    let status =
        fs::read_to_string(format!("/proc/{pid}/status")).with_context(|| format!("{service} does not run"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("the system does not say VmRSS")?;
    let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kilobytes * 1024.0 / 1e6)
}

fn run_folder() -> PathBuf {
    std::env::var_os("KITH_RUN").map_or_else(|| native::repository().join(".run/test"), Into::into)
}

async fn services(command: &str) -> Result<()> {
    let mut script = native::script("services");
    script.arg(command).env("KITH_RUN", run_folder()).env("KITH_BIN", programs());
    script.env("KITH_ADMIN_PORT_BASE", "9200").env("KITH_HTTP_PORT", "8180");
    native::run(&mut script).await
}
