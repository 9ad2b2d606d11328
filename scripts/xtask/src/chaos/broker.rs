//! Rows 14 to 28: faults of the broker.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::{
    backlog, broker_disk,
    pair::Pair,
    played::Played,
    rabbit,
    row::{Row, Test},
    stage::Stage,
};
use crate::{
    native::service_names,
    trial::{Flow, TALLY, processes},
    wait::until,
};

/// The interval between writes while the broker is away.
const RHYTHM: Duration = Duration::from_millis(20);

/// The limit of writes while it is away, however long: the backlog must drain soon afterwards.
const MOST_WRITES: u32 = 5_000;

/// How long an alarm lasts.
const ALARM: Duration = Duration::from_secs(8);

/// How often all connections are closed by force, and the time between two closings.
const CLOSINGS: usize = 6;
const BETWEEN_CLOSINGS: Duration = Duration::from_secs(5);

/// The rows of the broker.
pub fn rows() -> Vec<Row> {
    vec![
        Row::played(14, "broker killed with confirms in flight", |stage| Box::pin(killed(stage))).within(5),
        Row::played(15, "broker unavailable for a long time", |stage| Box::pin(away(stage))).within(5),
        Row::played(16, "memory alarm of the broker", |stage| Box::pin(memory_alarm(stage))).within(5),
        Row::played(17, "disk alarm of the broker", |stage| Box::pin(disk_alarm(stage))).within(5),
        Row::played(18, "disk of the broker full", |stage| Box::pin(broker_disk::play(stage))).within(15),
        Row::tested(
            19,
            "queue of a consumer deleted",
            &[
                Test("skeleton-tests", "topology::a_service_whose_queue_is_missing_goes_on_once_it_is_made"),
                Test(
                    "skeleton-tests",
                    "history::a_new_consumer_is_fed_from_the_past_and_goes_on_live_without_a_gap_or_an_overlap",
                ),
            ],
        ),
        Row::played(20, "exchange deleted", |stage| Box::pin(exchange_deleted(stage))).within(10),
        Row::tested(
            21,
            "unroutable message",
            &[Test(
                "skeleton-tests",
                "relay::a_job_whose_queue_is_missing_stays_in_the_outbox_and_goes_out_once_there_is_one",
            )],
        ),
        Row::tested(
            22,
            "existing queue with other arguments",
            &[
                Test("skeleton-tests", "topology::a_clash_is_told_whole_and_nothing_is_touched"),
                Test("notifications-tests", "commands::a_clash_is_named_in_both_and_changes_nothing"),
            ],
        ),
        Row::played(23, "all connections closed by force, repeatedly", |stage| Box::pin(closed_by_force(stage)))
            .within(10),
        Row::tested(
            24,
            "two relays at once",
            &[
                Test("skeleton-tests", "relay::a_relay_that_has_lost_its_lock_cannot_remove_what_another_is_sending"),
                Test(
                    "skeleton-tests",
                    "leases::a_leader_that_was_stopped_and_goes_on_writes_nothing_after_its_successor",
                ),
            ],
        ),
        Row::tested(
            25,
            "each message delivered three times",
            &[Test("skeleton-tests", "messaging::an_event_delivered_three_times_has_one_effect")],
        ),
        Row::played(26, "10,000 events shuffled in windows of 100", |stage| Box::pin(backlog::shuffled(stage)))
            .within(60),
        Row::played(27, "backlog processed by a consumer that starts late", |stage| Box::pin(backlog::late(stage))),
        Row::played(28, "queue full: publishing rejected", |stage| Box::pin(refused(stage))).within(15),
    ]
}

/// The broker hangs before it is killed: messages sent to it meanwhile are lost, unless the sender waits for the
/// confirm.
async fn killed(stage: &mut Stage) -> Result<Played> {
    without_the_broker(stage, Duration::ZERO).await
}

async fn away(stage: &mut Stage) -> Result<Played> {
    let outage = stage.lengths.outage;
    without_the_broker(stage, outage).await
}

/// A service with its own API gets writes all the time, and no write may fail. Recovery ends when the later of two
/// things is through: an event through the six services, or the last of the writes.
async fn without_the_broker(stage: &mut Stage, outage: Duration) -> Result<Played> {
    let pair = Pair::start().await?;
    let mut seen = None;
    let rhythm = RHYTHM.max(outage / MOST_WRITES);
    let trouble = async |_: &mut Stage, _: &Flow| -> Result<()> {
        let outage = async {
            processes::kill_after_hanging("rabbitmq", Duration::from_millis(500)).await?;
            tokio::time::sleep(outage).await;
            processes::start_server("rabbitmq").await
        };
        let ((), writes, slowest) = pair.writing_during(rhythm, outage).await?;
        let (ledger, took) = pair.settled().await?;
        seen = Some((writes, slowest, ledger, took));
        Ok(())
    };
    let played = stage.flowing_with(trouble).await?;
    pair.finish().await?;
    let (writes, slowest, ledger, took) = seen.context("there were no writes")?;
    let figure = format!(
        "{writes} writes to an API meanwhile, none refused, the slowest in {} ms, all through {:.1} s after the broker's return",
        slowest.as_millis(),
        took.as_secs_f64()
    );
    Ok(Played { ledger: played.ledger.and(ledger), recovery: took.max(played.recovery), ..played }.with(figure))
}

async fn memory_alarm(stage: &mut Stage) -> Result<Played> {
    alarm(stage, &["set_vm_memory_high_watermark", "0.0000001"], &["set_vm_memory_high_watermark", "absolute", "1GB"])
        .await
}

async fn disk_alarm(stage: &mut Stage) -> Result<Played> {
    alarm(stage, &["set_disk_free_limit", "100000GB"], &["set_disk_free_limit", "200MB"]).await
}

/// What was delivered before the alarm is acknowledged during it: acknowledgements use a separate connection.
async fn alarm(stage: &mut Stage, raise: &[&str], clear: &[&str]) -> Result<Played> {
    let pair = Pair::start().await?;
    let mut seen = None;
    let trouble = async |_: &mut Stage, _: &Flow| -> Result<()> {
        let hold = pair.hold_listener().await?;
        pair.write(40).await?;
        hold.holds("insert into counted").await?;
        until("the outbox to be empty", Duration::from_secs(20), async || Ok(pair.outbox().await? == 0)).await?;
        rabbit::rabbitmqctl(raise).await?;
        let alarmed = async {
            hold.release().await?;
            let unacknowledged = async || -> Result<bool> { Ok(pair.waiting().await? == 0) };
            until("deliveries to be acknowledged during the alarm", Duration::from_secs(30), unacknowledged).await?;
            tokio::time::sleep(ALARM).await;
            let waiting = pair.outbox().await?;
            rabbit::rabbitmqctl(clear).await?;
            Ok::<_, anyhow::Error>(waiting)
        };
        let (waiting, writes, slowest) = pair.writing_during(RHYTHM, alarmed).await?;
        ensure!(waiting > 0, "no event waited: there was no alarm");
        let (ledger, took) = pair.settled().await?;
        seen = Some((writes, slowest, ledger, took));
        Ok(())
    };
    let played = stage.flowing_with(trouble).await;
    // Also after a failure: an alarm would stop every other row.
    rabbit::rabbitmqctl(clear).await?;
    pair.finish().await?;
    let (played, (writes, slowest, ledger, took)) = (played?, seen.context("there were no writes")?);
    let figure = format!(
        "acknowledged during the alarm; {writes} writes to an API, none refused, the slowest in {} ms, all through {:.1} s after its end",
        slowest.as_millis(),
        took.as_secs_f64()
    );
    Ok(Played { ledger: played.ledger.and(ledger), recovery: took.max(played.recovery), ..played }.with(figure))
}

/// The bindings are deleted with the exchange. The administrator applies the topologies again.
async fn exchange_deleted(stage: &mut Stage) -> Result<Played> {
    let trouble = async |stage: &mut Stage| -> Result<()> {
        rabbit::admin()?.delete("exchanges/%2F/events.contacts").await?;
        let in_vain = async || -> Result<bool> { Ok(outbox_of_contacts().await? > 0) };
        until("events that wait for their exchange", Duration::from_secs(30), in_vain).await?;
        // As docs/rights.md says: the exchange's publisher is paused until all queues are bound again. An event
        // published while only some are bound would be confirmed, and lost to the others.
        stage.system.kill("contacts").await?;
        stage.system.apply_topology().await?;
        stage.system.start_again("contacts").await
    };
    stage.flowing(trouble).await
}

async fn outbox_of_contacts() -> Result<i64> {
    let contacts = crate::trial::connect("contacts").await?;
    Ok(contacts.query_one("select count(*) from skeleton.outbox", &[]).await?.get(0))
}

/// Neither threads nor open files may grow with the number of lost connections.
async fn closed_by_force(stage: &mut Stage) -> Result<Played> {
    let mut held = Vec::new();
    let mut closed = 0;
    let trouble = async |stage: &mut Stage| -> Result<()> {
        for _ in 0..CLOSINGS {
            closed += rabbit::close_connections().await?;
            tokio::time::sleep(BETWEEN_CLOSINGS).await;
            held.push(files_and_threads(stage)?);
        }
        Ok(())
    };
    let before = files_and_threads(stage)?;
    let played = stage.flowing(trouble).await?;
    let after = held.last().context("no connections were closed")?;
    ensure!(closed > CLOSINGS, "only {closed} connections were closed");
    // Load may have enlarged a pool; a leak grows with each closing, in seven processes.
    let most = before + 10 * service_names()?.len();
    ensure!(*after < most, "open files and threads of the services have grown: {before} before, then {held:?}");
    Ok(played.with(format!("{closed} connections closed; files and threads {before} before, {after} after")))
}

fn files_and_threads(stage: &Stage) -> Result<usize> {
    let mut count = 0;
    for service in service_names()? {
        let pid = stage.system.pid(service)?;
        for folder in ["fd", "task"] {
            count += std::fs::read_dir(format!("/proc/{pid}/{folder}"))?.count();
        }
    }
    Ok(count)
}

/// The queue of the tally, which is down, accepts a few messages and then rejects: events for other services wait with
/// them.
async fn refused(stage: &mut Stage) -> Result<Played> {
    let policy = "policies/%2F/full";
    let began = Instant::now();
    let trouble = async |stage: &mut Stage| -> Result<()> {
        stage.system.kill(TALLY).await?;
        let definition = json!({ "max-length": 20, "overflow": "reject-publish" });
        let body = json!({ "pattern": format!("^{TALLY}\\.events$"), "definition": definition, "apply-to": "queues" });
        rabbit::admin()?.put(policy, &body).await?;
        let refused = async || -> Result<bool> {
            Ok(outbox_of_contacts().await? > 0 && began.elapsed() > Duration::from_secs(5))
        };
        until("rejected events", Duration::from_secs(60), refused).await?;
        rabbit::admin()?.delete(policy).await?;
        stage.system.start_again(TALLY).await
    };
    let played = stage.flowing(trouble).await;
    rabbit::admin()?.delete(policy).await?;
    played
}
