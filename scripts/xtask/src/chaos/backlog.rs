//! Rows 26 and 27: large backlogs in a queue, one of them out of order.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use chrono::Utc;
use contacts_events::{ContactAdded, ContactChanged};
use events::{Envelope, Event};
use rand::seq::SliceRandom;
use skeleton::{
    Environment, Secret,
    config::BrokerSettings,
    messaging::{
        Outcome, Outgoing, Publisher,
        rabbit::{Link, Login, RabbitPublisher},
    },
    stop,
};
use uuid::Uuid;

use super::{
    pair::{LISTENS, Pair, password},
    played::Played,
    stage::Stage,
    writer::{self, OWNER},
};
use crate::{
    trial::{broker_url, connect},
    usage::memory,
    wait::until,
};

/// How many events are shuffled, and the window within which an event may move.
const SHUFFLED: usize = 10_000;
const WINDOW: usize = 100;

/// How many subjects share a stretch of the events: each window has ten events of each.
const AT_ONCE: usize = 10;

/// How many events each subject has.
const EACH: usize = 100;

/// How much memory the consumer of a backlog may use, in megabytes.
const MOST_MEMORY: f64 = 150.0;

/// The time limit per thousand events of a backlog.
const TIMEOUT_PER_THOUSAND: Duration = Duration::from_secs(5);

/// The final state equals that after handling the events in order.
pub async fn shuffled(stage: &mut Stage) -> Result<Played> {
    let pair = Pair::start().await?;
    let mut places: Vec<(usize, usize)> = (0..SHUFFLED).map(interleaved).collect();
    for window in places.chunks_mut(WINDOW) {
        window.shuffle(&mut stage.rng);
    }
    let began = Instant::now();
    send(&pair, places.into_iter()).await?;
    finish(pair, SHUFFLED, began).await
}

/// The consumer starts when all events wait. Its memory must not grow with the backlog, and an API beside it keeps
/// working.
pub async fn late(stage: &mut Stage) -> Result<Played> {
    let backlog = stage.lengths.backlog;
    let mut pair = Pair::start().await?;
    pair.listener.kill().await?;
    let sent = send(&pair, (0..backlog).map(|place| (place / EACH, place % EACH + 1))).await?;
    let began = Instant::now();
    pair.listener.restart()?;
    let worked_off = worked_off(pair.listener.process().pid()?, backlog);
    let (memory, writes, slowest) = pair.writing_during(Duration::from_millis(100), worked_off).await?;
    let took = began.elapsed();
    ensure!(memory < MOST_MEMORY, "the consumer used {memory:.0} MB");
    let played = finish(pair, backlog, began).await?;
    let rate = backlog as f64 / took.as_secs_f64();
    let figure = format!(
        "{rate:.0} events a second, at most {memory:.0} MB; sent at {:.0} a second; {writes} writes to an API meanwhile, the slowest in {} ms",
        backlog as f64 / sent.as_secs_f64(),
        slowest.as_millis()
    );
    Ok(played.with(figure))
}

/// The subject and sequence of the event at this index, where ten subjects alternate.
fn interleaved(place: usize) -> (usize, usize) {
    let (stretch, within) = (place / (AT_ONCE * EACH), place % (AT_ONCE * EACH));
    (stretch * AT_ONCE + within % AT_ONCE, within / AT_ONCE + 1)
}

/// Publishes the events with these sequences of these subjects as the writer, with confirms. Returns how long that
/// took.
async fn send(pair: &Pair, events: impl Iterator<Item = (usize, usize)>) -> Result<Duration> {
    let (_connected, stop) = stop::channel();
    let settings = BrokerSettings {
        url: broker_url(writer::NAME, pair.vhost())?,
        password: Secret::from(password()?.as_str()),
        prefetch: 1,
        batch: 1,
        partitions: 1,
        window: 256,
        confirm_timeout_ms: 60_000,
        reconnect_max_ms: 1000,
        tls_ca_file: None,
        allow_plaintext: false,
    };
    let link = Link::open(Login::new(&settings)?, "chaos backlog".to_owned(), Environment::system(), stop);
    let publisher = RabbitPublisher::new(link, Duration::from_secs(60));
    let began = Instant::now();
    let mut events = events.peekable();
    while events.peek().is_some() {
        let mut window = events.by_ref().take(256).map(outgoing).collect::<Result<Vec<_>>>()?;
        // A message without a confirm is sent again with the same id, as a relay does.
        while !window.is_empty() {
            let mut outcomes = publisher.publish(window.clone()).await.into_iter();
            window.retain(|_| outcomes.next() != Some(Outcome::Confirmed));
        }
    }
    Ok(began.elapsed())
}

fn outgoing((subject, number): (usize, usize)) -> Result<Outgoing> {
    // In addition to those that the API writes meanwhile.
    let contact = Uuid::from_u128((1 << 64) + subject as u128);
    let (contact_id, owner_id) = (contact, OWNER);
    // In the version that the tally reads: only a relay publishes both versions.
    match number {
        1 => event(&ContactAdded { contact_id, owner_id, ..contacts_events::samples::contact_added() }, number),
        _ => event(&ContactChanged { contact_id, owner_id, ..contacts_events::samples::contact_changed() }, number),
    }
}

fn event<E: Event>(event: &E, number: usize) -> Result<Outgoing> {
    let envelope = Envelope {
        id: Uuid::new_v4(),
        name: E::NAME.to_owned(),
        source: format!("/{}", writer::NAME),
        time: Utc::now(),
        subject: event.subject(),
        sequence: Some(i64::try_from(number)?),
        trace: None,
        correlation_id: None,
        causation_id: None,
        actor: None,
        deadline: None,
    };
    let (exchange, routing_key) = (format!("events.{}", writer::NAME), E::KEY.to_owned());
    Ok(Outgoing { exchange, routing_key, envelope, body: serde_json::to_vec(event)?.into() })
}

/// Waits until this many rows are written. Returns the peak memory of the process.
async fn worked_off(pid: String, events: usize) -> Result<f64> {
    let listens = connect(LISTENS).await?;
    let (pid, mut most) = (pid.parse()?, 0.0_f64);
    let limit = Duration::from_secs(30) + TIMEOUT_PER_THOUSAND * u32::try_from(events / 1000)?;
    until("the backlog to be processed", limit, async || {
        most = most.max(memory(pid, "VmRSS:")?);
        tokio::time::sleep(Duration::from_millis(200)).await;
        // Counting all rows would be more work than writing them.
        let written: i64 = listens.query_one("select last_value from counted_place_seq", &[]).await?.get(0);
        Ok(written >= i64::try_from(events)?)
    })
    .await?;
    Ok(most)
}

/// Waits for the published events and for those written beside them.
async fn finish(pair: Pair, sent: usize, began: Instant) -> Result<Played> {
    let (ledger, _) = pair.settled_with(sent).await?;
    let recovery = began.elapsed();
    pair.finish().await?;
    Ok(Played { ledger, recovery, figures: Vec::new() })
}
