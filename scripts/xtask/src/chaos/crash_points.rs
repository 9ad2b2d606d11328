//! Rows 1 to 5 and 9: a process is killed or paused between one step and the next.
//!
//! There are no failpoints in the shipped code. The runner blocks the next step from outside, waits until it sees that
//! the step before is done, and kills the process. While the broker is paused, published messages cannot be confirmed.
//! While a table is locked, confirmed messages cannot be removed and delivered ones cannot be committed.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::{
    hold::Hold,
    pair::{Pair, WRITES},
    played::Played,
    row::Row,
    stage::Stage,
};
use crate::{
    native,
    trial::{TALLY, processes},
    wait::until,
};

/// How many events are in flight at that moment.
const IN_HAND: usize = 50;

/// How long to wait for a step.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The least size of an event, which heartbeats never reach: the relay sends the first batch and waits for the
/// confirms.
const ON_THE_WAY: u64 = 300;

/// The rows in which one process is killed between two steps.
pub fn rows() -> Vec<Row> {
    vec![
        Row::played(1, "relay killed between commit and publish", |stage| Box::pin(committed(stage))).within(5),
        Row::played(2, "relay killed between publish and confirm", |stage| Box::pin(published(stage))).within(5),
        Row::played(3, "relay killed between confirm and removal", |stage| Box::pin(confirmed(stage))).within(5),
        Row::played(4, "consumer killed before its commit", |stage| Box::pin(uncommitted(stage))).within(5),
        Row::played(5, "consumer killed between commit and acknowledgement", |stage| Box::pin(unacknowledged(stage)))
            .within(10),
        Row::played(9, "consumer paused until the broker closes its connection", |stage| Box::pin(still(stage)))
            .within(10),
    ]
}

async fn pair_with_some_history() -> Result<Pair> {
    let pair = Pair::start().await?;
    pair.write(IN_HAND).await?;
    let (ledger, _) = pair.settled().await?;
    ensure!(ledger.is_clean(), "before the fault: {ledger}");
    Ok(pair)
}

/// Waits for all events, stops everything, and returns the result.
async fn ended(pair: Pair, healed: Instant) -> Result<Played> {
    ended_with(pair, healed, Repeats::Maybe).await
}

/// Whether events must be delivered twice: a row about repeats shows nothing without one.
#[derive(Clone, Copy, PartialEq)]
enum Repeats {
    Maybe,
    Surely,
}

async fn ended_with(pair: Pair, healed: Instant, repeats: Repeats) -> Result<Played> {
    outbox_holds(&pair, 0).await?;
    pair.settled().await?;
    let recovery = healed.elapsed();
    if repeats == Repeats::Surely {
        until("an event to be delivered twice", TIMEOUT, async || Ok(pair.duplicates().await? > 0.0)).await?;
    }
    // Repeated deliveries are handled by now: none of them waits.
    until("an empty queue", TIMEOUT, async || Ok(pair.waiting().await? == 0)).await?;
    let duplicates = pair.duplicates().await?;
    let (ledger, _) = pair.settled().await?;
    pair.finish().await?;
    Ok(Played { ledger, recovery, figures: vec![format!("{duplicates} delivered twice")] })
}

async fn outbox_holds(pair: &Pair, count: i64) -> Result<()> {
    until(&format!("{count} events in the outbox"), TIMEOUT, async || Ok(pair.outbox().await? == count)).await
}

async fn committed(_: &mut Stage) -> Result<Played> {
    let mut pair = pair_with_some_history().await?;
    processes::kill("rabbitmq").await?;
    pair.write(IN_HAND).await?;
    outbox_holds(&pair, IN_HAND as i64).await?;
    pair.writer.kill().await?;
    processes::start_server("rabbitmq").await?;
    let restarted = Instant::now();
    pair.writer.start()?;
    ended(pair, restarted).await
}

async fn published(_: &mut Stage) -> Result<Played> {
    let mut pair = pair_with_some_history().await?;
    processes::pause("rabbitmq").await?;
    pair.write(IN_HAND).await?;
    outbox_holds(&pair, IN_HAND as i64).await?;
    let port = native::broker_port()?;
    // Whole events only: half an event does not count.
    let mut looked = 0;
    let on_the_way = async || -> Result<bool> {
        let before = std::mem::replace(&mut looked, processes::unread_bytes(port)?);
        Ok(looked > ON_THE_WAY && looked == before)
    };
    until("the events to be in flight", TIMEOUT, on_the_way).await?;
    pair.writer.kill().await?;
    processes::resume("rabbitmq").await?;
    let restarted = Instant::now();
    pair.writer.start()?;
    ended_with(pair, restarted, Repeats::Surely).await
}

async fn confirmed(_: &mut Stage) -> Result<Played> {
    let mut pair = pair_with_some_history().await?;
    processes::pause("rabbitmq").await?;
    pair.write(IN_HAND).await?;
    outbox_holds(&pair, IN_HAND as i64).await?;
    let hold = Hold::of(WRITES, "select 1 from skeleton.outbox for update").await?;
    processes::resume("rabbitmq").await?;
    hold.holds("delete from skeleton.outbox").await?;
    pair.writer.kill().await?;
    hold.end_waiting().await?;
    hold.release().await?;
    let restarted = Instant::now();
    pair.writer.start()?;
    ended_with(pair, restarted, Repeats::Surely).await
}

async fn uncommitted(_: &mut Stage) -> Result<Played> {
    let mut pair = pair_with_some_history().await?;
    let hold = pair.hold_listener().await?;
    pair.write(IN_HAND).await?;
    hold.holds("insert into counted").await?;
    pair.listener.kill().await?;
    hold.release().await?;
    let restarted = Instant::now();
    pair.listener.restart()?;
    pair.listener.process().ready().await?;
    ended(pair, restarted).await
}

/// The acknowledgements are lost with the broker, which was paused when they arrived.
async fn unacknowledged(_: &mut Stage) -> Result<Played> {
    let mut pair = pair_with_some_history().await?;
    let before = pair.seen().await?.different;
    let hold = pair.hold_listener().await?;
    pair.write(IN_HAND).await?;
    hold.holds("insert into counted").await?;
    outbox_holds(&pair, 0).await?;
    processes::pause("rabbitmq").await?;
    hold.release().await?;
    until("a commit", TIMEOUT, async || Ok(pair.seen().await?.different > before)).await?;
    pair.listener.kill().await?;
    processes::kill("rabbitmq").await?;
    processes::start_server("rabbitmq").await?;
    let restarted = Instant::now();
    pair.listener.restart()?;
    pair.listener.process().ready().await?;
    ended_with(pair, restarted, Repeats::Surely).await
}

/// It resumes with a transaction whose message was redelivered to another consumer, and acknowledges over a closed
/// connection.
async fn still(_: &mut Stage) -> Result<Played> {
    let pair = pair_with_some_history().await?;
    let hold = pair.hold_listener().await?;
    pair.write(IN_HAND).await?;
    hold.holds("insert into counted").await?;
    let pid = pair.listener.process().pid()?;
    let is_connected = async || -> Result<bool> {
        let connections = pair.admin().get(&format!("vhosts/{}/connections", pair.vhost())).await?;
        let connections = connections.as_array().context("a list of connections")?;
        Ok(connections.iter().any(|connection| connection["user"] == TALLY))
    };
    // The broker lists its connections with a delay of a few seconds.
    until("the broker to know the connection", TIMEOUT, async || is_connected().await).await?;
    processes::signal(&pid, "-STOP").await?;
    let began = Instant::now();
    let is_given_up = async || -> Result<bool> { Ok(!is_connected().await?) };
    let given_up = until("the broker to close the connection", Duration::from_secs(120), is_given_up).await;
    let stood = began.elapsed();
    processes::signal(&pid, "-CONT").await?;
    given_up?;
    hold.release().await?;
    let resumed = Instant::now();
    Ok(ended(pair, resumed).await?.with(format!("paused for {} s", stood.as_secs())))
}
