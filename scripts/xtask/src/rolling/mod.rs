//! Restarts all six services, replica by replica, under a steady load, and counts what failed, was lost or doubled.
//!
//! It does what an orchestrator does: for each service, it starts a new replica and, once that is ready, stops the old
//! one. Requests go through a load balancer that checks the gateways' readiness. At the end it counts requests that
//! failed, and effects in contacts, the graph, the index, the notifications and a seventh service that only counts (see
//! `trial`).

mod answers;
mod balancer;
mod load;
mod place;
mod replicas;

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Args;
use serde::Serialize;
use tokio::sync::watch;

use crate::{
    native::{ServiceProgram, service_names},
    trial::{Counting, Expected, settled},
};
use answers::{Answer, Kind, failed, percentile, print_table};
use balancer::Balancer;
use load::Load;
use replicas::Replicas;

/// The pause between two restarts, so that each happens under load.
const PAUSE: Duration = Duration::from_millis(500);

/// Restart all six services, replica by replica, under a steady load, and count what failed, was lost or doubled.
///
/// The servers must be up (deploy/native). Services running there are stopped first and restarted at the end.
#[derive(Args)]
pub struct Rolling {
    /// Requests per second.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
    /// The least duration of the load; a round of restarts in progress is completed.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Print only the line of JSON.
    #[arg(long)]
    json: bool,
}

/// The result.
#[derive(Serialize)]
struct Outcome {
    /// Requests sent.
    requests: usize,
    /// Requests that failed.
    failed: usize,
    /// Acknowledged effects that are missing.
    lost: i64,
    /// Effects that exist more than once.
    doubled: i64,
    /// Events handled after a later one of their subject.
    out_of_order: i64,
    /// Messages parked meanwhile.
    parked: usize,
    /// Replicas replaced.
    restarts: usize,
    /// Replicas that left work undone at their deadline, for another replica to repeat.
    cut_off: usize,
    /// The median latency.
    p50_ms: u64,
    /// The 99th percentile of the latency.
    p99_ms: u64,
}

impl Rolling {
    /// This many requests a second, for this long.
    pub fn of(rate: u32, length: Duration) -> Self {
        Self { rate, seconds: length.as_secs(), json: true }
    }

    /// Runs it. Fails if a request failed, or an effect was lost or doubled.
    pub async fn run(self) -> Result<()> {
        let balancer = Balancer::default();
        let looking = tokio::spawn({
            let balancer = balancer.clone();
            async move { balancer.look().await }
        });
        let mut replicas = Replicas::in_place_of_native(balancer.clone()).await?;
        let measured = self.measure(&mut replicas, balancer).await;
        // In any case, so that the services are up again afterwards.
        let handed_back = replicas.hand_back().await;
        looking.abort();
        let (outcome, answers) = measured?;
        handed_back?;
        if !self.json {
            print_table(&answers);
        }
        println!("{}", serde_json::to_string(&outcome)?);
        let Outcome { failed, lost, doubled, out_of_order, parked, .. } = outcome;
        let first = answers.iter().find_map(|answer| answer.failure.as_deref()).unwrap_or_default();
        ensure!(failed == 0, "{failed} requests failed, the first with: {first}");
        let is_clean = (lost, doubled, out_of_order, parked) == (0, 0, 0, 0);
        ensure!(is_clean, "{lost} effects lost, {doubled} doubled, {out_of_order} out of order, {parked} parked");
        Ok(())
    }

    async fn measure(&self, replicas: &mut Replicas, balancer: Balancer) -> Result<(Outcome, Vec<Answer>)> {
        replicas.start_all().await?;
        let began = chrono::Utc::now();
        let mut counting = Counting::start(&[]).await?;
        let load = Load::prepare(balancer, usize::try_from(self.seconds)?).await?;
        let (say_enough, enough) = watch::channel(false);
        let restarting = async {
            let restarts = self.restart_in_turn(replicas).await;
            say_enough.send_replace(true);
            restarts
        };
        let (answers, restarts) = tokio::join!(load.clone().run(self.rate, enough), restarting);
        let (answers, (restarts, cut_off)) = (answers?, restarts?);
        let shown = load.settled().await?;
        // Compared with the contacts shown, not with those acknowledged: a failed request may have taken effect.
        let imported = answers.iter().filter(|answer| answer.kind == Kind::Import && answer.failure.is_none()).count();
        let expected = Expected { contacts: shown.contacts, imports: imported, changes: 0 };
        let ledger = settled(&load.accounts(), expected).await?;
        counting.finish().await?;
        let mut times: Vec<Duration> = answers.iter().map(|answer| answer.took).collect();
        let outcome = Outcome {
            requests: answers.len(),
            failed: failed(answers.iter()),
            lost: shown.lost + ledger.lost,
            doubled: shown.doubled + ledger.doubled,
            out_of_order: ledger.out_of_order,
            parked: parked_since(began).await?,
            restarts,
            cut_off,
            p50_ms: percentile(&mut times, 50),
            p99_ms: percentile(&mut times, 99),
        };
        Ok((outcome, answers))
    }

    /// Restarts in rounds until the time is up, at least once. Returns how many restarts, and how many were cut off.
    async fn restart_in_turn(&self, replicas: &mut Replicas) -> Result<(usize, usize)> {
        let (began, mut restarts, mut cut_off) = (Instant::now(), 0, 0);
        while restarts == 0 || began.elapsed() < Duration::from_secs(self.seconds) {
            for service in service_names()? {
                tokio::time::sleep(PAUSE).await;
                let since = Instant::now();
                let has_finished = replicas.restart(service).await?;
                restarts += 1;
                cut_off += usize::from(!has_finished);
                if !self.json {
                    println!("replaced {service} in {} ms", since.elapsed().as_millis());
                }
            }
        }
        Ok((restarts, cut_off))
    }
}

/// The number of messages in all services that were parked and first failed after this moment: older ones may have used
/// up their attempts since.
async fn parked_since(moment: chrono::DateTime<chrono::Utc>) -> Result<usize> {
    let (mut count, since) = (0, moment.to_rfc3339());
    for service in service_names()? {
        let list = ["parked", "list", "--json", "--limit", "100000", "--since", since.as_str()];
        let list = ServiceProgram::of(service).await?.run(&list).await?;
        count += list.lines().filter(|line| line.starts_with('{')).count();
    }
    Ok(count)
}
