//! Rows 53 to 59: faults of links to servers, of clocks, of a process's limits, and of a single queue.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::FutureExt;
use skeleton::testing::Fault;

use super::{
    callers::{Heard, asking},
    few_files,
    links::Links,
    parked,
    played::Played,
    row::{Row, Test},
    server::{SERVERS, Server},
    stage::Stage,
};
const SKELETON: &str = "skeleton-tests";

/// Callers get a response within this time, successful or not: the gateway waits 5 s for a reply and abandons a request
/// after 10.
const DEADLINE: Duration = Duration::from_millis(10_500);

/// The rows of links, clocks and files.
pub fn rows() -> Vec<Row> {
    vec![
        // The backlog of the fault is processed first.
        Row::played(53, "every link to a server 500 ms slower, give or take 200", |stage| late(stage).boxed_local())
            .within(30),
        Row::played(54, "every link to a server drops all traffic", |stage| silent(stage).boxed_local()).within(10),
        Row::played(55, "links that reset, fragment, throttle and cut", |stage| broken(stage).boxed_local()).within(30),
        Row::tested(
            56,
            "servers that refuse connections at the start",
            &[
                Test(
                    SKELETON,
                    "databases::a_service_whose_servers_refuse_it_is_live_and_not_ready_until_they_are_there",
                ),
                Test(SKELETON, "replicas::a_replica_is_ready_only_once_it_has_been_connected_to_the_broker"),
            ],
        ),
        Row::tested(
            57,
            "clocks that are wrong or jump",
            &[
                Test(SKELETON, "databases::a_service_whose_clock_is_wrong_waits_as_long_as_any_other"),
                Test(
                    SKELETON,
                    "schedules::eight_replicas_run_each_due_time_once_when_the_clock_jumps_forward_and_back",
                ),
                Test(SKELETON, "order::what_comes_too_early_waits_for_what_is_before_it"),
                Test("gateway-tests", "tokens::whatever_is_wrong_with_a_token_the_answer_is_the_same"),
            ],
        ),
        Row::played(58, "a gateway that may open 64 files", |stage| few_files::play(stage).boxed_local()).within(10),
        Row::tested(
            59,
            "a queue that does not respond",
            &[
                Test(SKELETON, "unresponsive::a_queue_that_does_not_respond_holds_up_no_messages_for_other_queues"),
                Test(SKELETON, "unresponsive::a_queue_that_does_not_respond_costs_no_other_queue_its_consumer"),
            ],
        ),
    ]
}

async fn late(stage: &mut Stage) -> Result<Played> {
    let latency = Fault::Latency { mean: Duration::from_millis(500), jitter: Duration::from_millis(200) };
    // In one direction, as toxiproxy does it: this adds to the round trip once.
    each_server(stage, |links, server| links.fault_down(server, latency)).await
}

async fn silent(stage: &mut Stage) -> Result<Played> {
    each_server(stage, |links, server| links.fault(server, Fault::Timeout)).await
}

async fn broken(stage: &mut Stage) -> Result<Played> {
    let faults = [
        ("reset", Fault::ResetPeer { after: Duration::from_secs(2) }),
        ("sliced", Fault::Slicer { most: 1, pause: Duration::ZERO }),
        ("slow", Fault::Bandwidth { bytes_per_second: 8 * 1024 }),
        ("cut", Fault::LimitData { least: 1000, most: 100_000 }),
    ];
    let mut all = Played::default();
    for (name, fault) in faults {
        let played = each_server(stage, |links, server| links.fault(server, fault)).await?;
        all = all.and(name, played);
    }
    Ok(all)
}

/// Applies a fault to the links to each server in turn, for the length of a fault. No message may be parked.
async fn each_server(stage: &mut Stage, fault: impl Fn(&Links, Server)) -> Result<Played> {
    let play = async |stage: &mut Stage, links: &Links| {
        let mut all = Played::default();
        for server in SERVERS {
            let one = async |stage: &mut Stage| {
                let trouble = async |stage: &mut Stage| {
                    fault(links, server);
                    tokio::time::sleep(stage.lengths.fault).await;
                    links.heal();
                    Ok(())
                };
                let (played, heard) = asking(stage, trouble).await?;
                in_time(&heard).map(|()| played)
            };
            let played = parked::none_more(stage, one).await.with_context(|| format!("links to {}", server.name()))?;
            all = all.and(server.name(), played);
        }
        Ok(all)
    };
    Links::between(stage, play).await
}

/// Whether callers got a response in time, with `Retry-After` on refusals.
fn in_time(heard: &Heard) -> Result<()> {
    heard.is_polite()?;
    let worst = heard.took(1.0);
    ensure!(worst <= DEADLINE, "a caller waited {:.1} s for a response", worst.as_secs_f64());
    Ok(())
}
