//! Rows 53 to 58: what happens on the links to the servers, to clocks and to what a process may open.

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

/// Callers are answered, with good news or bad, as soon as this: the gateway waits 5 s for a reply and gives a request up
/// after 10.
const DEADLINE: Duration = Duration::from_millis(10_500);

/// The rows of links, clocks and files.
pub fn rows() -> Vec<Row> {
    vec![
        // What has come meanwhile is worked off first.
        Row::played(53, "every link to a server 500 ms slower, give or take 200", |stage| late(stage).boxed_local())
            .within(30),
        Row::played(54, "every link to a server a black hole", |stage| silent(stage).boxed_local()).within(10),
        Row::played(55, "links that reset, slice, crawl and cut", |stage| broken(stage).boxed_local()).within(30),
        Row::tested(
            56,
            "servers that refuse at the start",
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
            "clocks that are wrong and that jump",
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
    ]
}

async fn late(stage: &mut Stage) -> Result<Played> {
    let latency = Fault::Latency { mean: Duration::from_millis(500), jitter: Duration::from_millis(200) };
    // One way, as toxiproxy does it: a question and its answer take so much longer together.
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

/// Lets something happen on the links to each server in turn, for as long as faults last. Nothing may be parked.
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

/// Whether callers were told soon, and when to come back.
fn in_time(heard: &Heard) -> Result<()> {
    heard.is_polite()?;
    let worst = heard.took(1.0);
    ensure!(worst <= DEADLINE, "a caller waited {:.1} s for an answer", worst.as_secs_f64());
    Ok(())
}
