//! Rows 1 to 13: processes that exit, hang or run out of memory.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

use super::{
    crash_points,
    played::Played,
    row::{Row, Test},
    stage::Stage,
};
use crate::{
    rolling::Rolling,
    trial::{Flow, processes},
    wait::until,
};

/// The size of the file, in contacts, that contacts has too little memory for.
const LARGE: usize = 2_000;

/// How long requests continue in row 7; a round of restarts in progress is completed.
const LOAD: Duration = Duration::from_secs(10);

/// The rows of processes.
pub fn rows() -> Vec<Row> {
    let mut rows = crash_points::rows();
    rows.extend([
        Row::played(6, "services and the broker killed at random moments", |stage| Box::pin(killed_often(stage))),
        Row::played(7, "every replica replaced under load", |stage| Box::pin(replaced(stage))),
        Row::tested(
            8,
            "gateway stopped with open streams",
            &[
                Test("gateway-tests", "stream::a_stop_ends_every_stream_and_says_when_to_come_back"),
                Test(
                    "gateway-tests",
                    "stream::whoever_comes_back_with_the_last_id_misses_nothing_and_gets_nothing_twice",
                ),
            ],
        ),
        Row::tested(
            10,
            "panic in a handler",
            &[
                Test("skeleton-tests", "http::a_panic_is_a_problem_with_a_trace_and_the_connection_goes_on"),
                Test("skeleton-tests", "messaging::a_panic_is_a_failure_like_any_other_and_its_neighbours_go_on"),
            ],
        ),
        Row::tested(
            11,
            "panic in the relay",
            &[Test("skeleton-tests", "panics::a_relay_that_panics_is_started_again_and_loses_nothing")],
        ),
        Row::tested(
            12,
            "message that always kills its process",
            &[Test(
                "skeleton-tests",
                "failures::a_message_that_kills_its_process_is_parked_while_its_neighbours_go_on",
            )],
        ),
        Row::played(13, "contacts runs out of memory during imports", |stage| Box::pin(out_of_memory(stage)))
            .within(30),
    ]);
    rows.sort_by_key(|row| row.number);
    rows
}

async fn killed_often(stage: &mut Stage) -> Result<Played> {
    let killing = stage.lengths.killing();
    let ledger = killing.run(&mut stage.system, &mut stage.rng).await?;
    let recovery = Duration::from_secs(ledger.seconds_to_settle);
    let kills = format!("{} kills of services, {} of the broker", killing.services, killing.broker);
    Ok(Played { ledger, recovery, figures: vec![kills] })
}

/// `cargo xtask rolling` has its own tally, which replaces this one.
async fn replaced(stage: &mut Stage) -> Result<Played> {
    let began = Instant::now();
    let rate = stage.lengths.rate;
    stage.without_tally(async || Rolling::of(rate, LOAD).run().await).await?;
    let figures = vec![format!("no request of {rate} a second failed, nothing was lost, doubled or parked")];
    Ok(Played { recovery: began.elapsed(), figures, ..Played::default() })
}

/// Its data segment may not grow: the parts of a large file do not fit. The import is requested again with the same id,
/// and continues after the last committed step. If the memory suffices nevertheless, the row fails, because it shows
/// nothing.
async fn out_of_memory(stage: &mut Stage) -> Result<Played> {
    let trouble = async |stage: &mut Stage, flow: &Flow| -> Result<()> {
        let pid = stage.system.pid("contacts")?;
        let limit = data_size(&pid)?;
        let limited = Command::new("prlimit").args(["--pid", &pid, &format!("--data={limit}")]).status().await?;
        ensure!(limited.success(), "prlimit failed");
        let restarting = async {
            until("contacts to run out of memory", Duration::from_secs(60), async || Ok(!processes::is_alive(&pid)))
                .await?;
            stage.system.start_again("contacts").await
        };
        let (filled, restarted) = tokio::join!(flow.fill_large(LARGE), restarting);
        restarted?;
        filled
    };
    stage.flowing_with(trouble).await
}

/// The size of a process's data segment, as the limit counts it.
fn data_size(pid: &str) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmData:")).context("a process without VmData")?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse::<u64>()? * 1024)
}
