//! The relay: sends the messages that transactions left in the outbox, and deletes them once the broker has them.
//!
//! Guarantees: Committed messages are published at least once, in the order of the outbox for each subject, and none is
//! deleted before its own confirm. An unroutable message is counted and kept: the history stores every event, with or
//! without consumers, and a job has its queue, so part of the topology is missing. Such a message is postponed with
//! those that must not overtake it, and retried after a growing pause; the messages behind it are sent. An older version
//! of an event that no queue takes has no reader, and is not missed. A message that a queue does not confirm in time is
//! postponed likewise, and its route is published apart from the others. A message that the broker cannot take as it is,
//! such as one with headers larger than a frame, is set aside.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, Utc};
use metrics::{counter, gauge};
use tracing::{info, warn};

use super::{
    Outcome, Outgoing, Publisher,
    apart::{Apart, Ready},
    postponed::{Postponed, span},
};
use crate::{
    environment::Environment,
    failure::StoreError,
    stop::Stop,
    store::{Outbox, OutboxRow, Route, in_all_versions},
    trouble::Trouble,
};

/// How long the relay sleeps without a wakeup; also how soon a replica takes over from one that died.
const POLL: Duration = Duration::from_millis(500);

/// The wait after a failure.
const PAUSE: Duration = Duration::from_millis(250);

/// How long the relay goes on after the stop, by default.
const AFTER_STOP: Duration = Duration::from_secs(5);

/// The interval at which leadership is renewed while messages are being sent. A frozen replica does not renew it.
const KEEP: Duration = Duration::from_secs(5);

/// The limits of a service's relay.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RelayLimits {
    /// The maximum number of messages at a time.
    pub(crate) window: i64,
    /// How long it goes on after the stop.
    pub(crate) after_stop: Duration,
}

/// Sends the outbox of one store.
pub struct Relay<S, P> {
    store: S,
    publisher: Arc<P>,
    window: i64,
    environment: Environment,
    after_stop: Duration,
}

impl<S: Outbox, P: Publisher + 'static> Relay<S, P> {
    /// A relay with at most `window` unconfirmed messages.
    pub fn new(store: S, publisher: Arc<P>, window: i64) -> Self {
        Self { store, publisher, window, environment: Environment::system(), after_stop: AFTER_STOP }
    }

    /// The same, with another clock for waits.
    pub fn in_environment(self, environment: Environment) -> Self {
        Self { environment, ..self }
    }

    /// The same, with another limit for what is relayed after the stop.
    pub fn after_stop(self, after_stop: Duration) -> Self {
        Self { after_stop, ..self }
    }

    /// Relays until the service stops, and then what is left, within a time limit and as far as the broker accepts
    /// messages. The rest is left to another replica.
    pub async fn run(self, stop: Stop) {
        let too_long = async {
            stop.stopped().await;
            // A window in progress has as long again: what was sent and is not removed is sent twice.
            self.environment.sleep(self.after_stop * 2).await;
        };
        tokio::select! {
            biased;
            () = self.relay_until(stop.clone()) => {}
            () = too_long => {}
        }
        self.store.release_leadership().await;
    }

    async fn relay_until(&self, stop: Stop) {
        let mut trouble = Trouble::of("reading the outbox");
        let mut postponed = Postponed::default();
        let mut apart = Apart::default();
        let mut last = None;
        loop {
            let turn = self.turn(&mut postponed, &mut apart).await;
            trouble.note(&turn);
            // Commits of this replica do not concern it while another relays.
            let (wait, is_standby) = match turn {
                Ok(PassResult::Moved) if !self.is_over(&stop, &mut last) => continue,
                _ if stop.is_stopped() => return,
                Ok(PassResult::Empty) => (POLL, false),
                Ok(PassResult::Elsewhere) => (POLL, true),
                Ok(PassResult::Moved | PassResult::Stuck) | Err(_) => (PAUSE, false),
            };
            tokio::select! {
                biased;
                () = self.store.wakeup().notified(), if !is_standby => {}
                () = apart.one_ends() => {}
                () = self.environment.sleep(wait) => {}
                () = stop.stopped() => {}
            }
        }
    }

    /// Whether the time for what is relayed after the stop is over. A large backlog must not take all of the time that
    /// the service has for its stop.
    fn is_over(&self, stop: &Stop, last: &mut Option<DateTime<Utc>>) -> bool {
        let now = self.environment.now();
        stop.is_stopped() && (now - *last.get_or_insert(now)).abs() >= span(self.after_stop)
    }

    /// Sends one window.
    async fn turn(&self, postponed: &mut Postponed, apart: &mut Apart) -> Result<PassResult, StoreError> {
        let Some(rows) = self.store.next(self.window).await? else {
            postponed.clear();
            apart.clear();
            return Ok(PassResult::Elsewhere);
        };
        let ready = Ready::new(&rows, self.window);
        apart.go_on(&self.store, &self.publisher, &ready, postponed, self.environment.now()).await?;
        if self.readmit(postponed).await? {
            // Messages that are ready again go before those just read.
            return Ok(PassResult::Moved);
        }
        if rows.is_empty() {
            return Ok(PassResult::Empty);
        }
        let waiting = self.waiting(&rows, postponed).await?;
        let (waiting, ready): (Vec<_>, Vec<_>) = rows.iter().partition(|row| waiting.contains(&row.position));
        let sent = self.send(&ready).await;
        self.settle(&sent, &waiting, postponed).await?;
        apart.add(&sent.unconfirmed, &self.store, postponed, self.environment.now()).await?;
        Ok(if sent.unknown == 0 || sent.has_moved() { PassResult::Moved } else { PassResult::Stuck })
    }

    /// Makes messages ready whose route is due for a retry. Returns whether there are any.
    async fn readmit(&self, postponed: &mut Postponed) -> Result<bool, StoreError> {
        let now = self.environment.now();
        if postponed.is_stale(now) {
            self.count_postponed(postponed, now).await;
        }
        let mut any = false;
        for route in postponed.due(now) {
            let positions = self.store.readmit(&route, self.window).await?;
            postponed.readmitted(&route, &positions, now);
            any |= !positions.is_empty();
        }
        Ok(any)
    }

    /// Counts what does not leave the outbox. Messages are sent even if that fails.
    async fn count_postponed(&self, postponed: &mut Postponed, now: DateTime<Utc>) {
        match self.store.postponed().await {
            Ok(found) => postponed.refresh(found, now),
            Err(error) => {
                postponed.not_refreshed(now);
                warn!(%error, "failed to count unroutable messages; retrying");
            }
        }
        match self.store.unreadable().await {
            Ok(unreadable) => gauge!("rows_unreadable").set(unreadable as f64),
            Err(error) => warn!(%error, "failed to count unreadable rows; retrying"),
        }
    }

    /// The positions of messages not to send now: their route is blocked, or they would overtake a postponed message.
    async fn waiting(&self, rows: &[OutboxRow], postponed: &Postponed) -> Result<BTreeSet<i64>, StoreError> {
        if !postponed.any() {
            return Ok(BTreeSet::new());
        }
        let keys: Vec<i64> = rows.iter().map(OutboxRow::ordering_key).collect();
        let mut first = self.store.first_postponed(&keys).await?;
        let mut waiting = BTreeSet::new();
        for (row, key) in rows.iter().zip(keys) {
            let overtakes = first.get(&key).is_some_and(|first| *first < row.position);
            let waits = overtakes || postponed.is_blocked(row);
            if waits {
                waiting.insert(row.position);
            }
            // Of a message on trial it is not known whether its route has a queue again. Those behind it wait for the
            // outcome, even if another of the subject is postponed farther behind.
            if waits || postponed.is_on_trial(row) {
                let earliest = first.entry(key).or_insert(row.position);
                *earliest = row.position.min(*earliest);
            }
        }
        Ok(waiting)
    }

    async fn send<'a>(&self, rows: &[&'a OutboxRow]) -> Sent<'a> {
        let copies: Vec<Vec<Outgoing>> = rows.iter().map(|row| in_all_versions((*row).clone())).collect();
        let counts: Vec<usize> = copies.iter().map(Vec::len).collect();
        let mut outcomes = self.publish(copies.into_iter().flatten().collect()).await.into_iter();
        let mut sent = Sent::default();
        for (row, count) in rows.iter().zip(counts) {
            // Check each one, so that each is counted.
            let copies = outcomes.by_ref().take(count).enumerate();
            let left: Vec<Outcome> = copies.filter(|(nth, it)| !is_done(row, *nth, it)).map(|(_, it)| it).collect();
            if left.is_empty() {
                sent.done.push(row);
            } else if left.contains(&Outcome::Unknown) && !left.contains(&Outcome::Unconfirmed) {
                sent.unknown += 1;
            } else if let Some(reason) = left.iter().find_map(refusal) {
                sent.refused.push((row, reason));
            } else if left.contains(&Outcome::Unconfirmed) {
                sent.unconfirmed.push(row);
            } else {
                sent.unroutable.push(row);
            }
        }
        sent
    }

    /// Publishes, and renews the relay's leadership for as long as that takes.
    async fn publish(&self, messages: Vec<Outgoing>) -> Vec<Outcome> {
        if messages.is_empty() {
            return Vec::new();
        }
        let keeping = async {
            loop {
                self.environment.sleep(KEEP).await;
                if let Err(error) = self.store.keep_relaying().await {
                    warn!(%error, "failed to renew the relay's leadership");
                }
            }
        };
        tokio::select! {
            biased;
            outcomes = self.publisher.publish(messages) => outcomes,
            () = keeping => Vec::new(),
        }
    }

    /// Deletes confirmed messages, sets refused ones aside, and postpones unroutable ones and those that wait for them.
    async fn settle(
        &self,
        sent: &Sent<'_>,
        waiting: &[&OutboxRow],
        postponed: &mut Postponed,
    ) -> Result<(), StoreError> {
        counter!("outbox_relayed_total").increment(sent.done.len() as u64);
        if !sent.done.is_empty() {
            let positions: Vec<i64> = sent.done.iter().map(|row| row.position).collect();
            self.store.remove(&positions).await?;
        }
        for (row, reason) in &sent.refused {
            self.store.set_outbox_row_aside(row.position, reason).await?;
        }
        let now = self.environment.now();
        for row in &sent.done {
            if postponed.sent(row, now) {
                info!(message.name = row.envelope.name, "this message is routable again");
            }
        }
        let later: Vec<&OutboxRow> = sent.unroutable.iter().chain(waiting).copied().collect();
        if !later.is_empty() {
            self.store.postpone(&later).await?;
        }
        for (route, messages) in by_route(waiting) {
            postponed.postponed(route, messages, false, now);
        }
        for (route, messages) in by_route(&sent.unroutable) {
            let key = route.routing_key.clone();
            if postponed.postponed(route, messages, true, now) {
                warn!(routing_key = key, "no queue is bound for this message: apply the topology");
            }
        }
        Ok(())
    }
}

/// The outcome of a window.
#[derive(Default)]
struct Sent<'a> {
    /// Confirmed by the broker.
    done: Vec<&'a OutboxRow>,
    /// Unroutable.
    unroutable: Vec<&'a OutboxRow>,
    /// Refused as they are, and the reasons.
    refused: Vec<(&'a OutboxRow, String)>,
    /// Not confirmed by a queue.
    unconfirmed: Vec<&'a OutboxRow>,
    /// The number of messages without a confirm: the broker may have them or not.
    unknown: usize,
}

impl Sent<'_> {
    /// Whether any message has an outcome.
    fn has_moved(&self) -> bool {
        let Self { done, unroutable, refused, unconfirmed, .. } = self;
        !(done.is_empty() && unroutable.is_empty() && refused.is_empty() && unconfirmed.is_empty())
    }
}

fn by_route(rows: &[&OutboxRow]) -> BTreeMap<Route, u64> {
    let mut routes = BTreeMap::new();
    for row in rows {
        *routes.entry(row.route()).or_default() += 1;
    }
    routes
}

enum PassResult {
    /// Messages were sent or made ready.
    Moved,
    /// No message of the window has an outcome.
    Stuck,
    /// There was nothing to send.
    Empty,
    /// Another replica relays.
    Elsewhere,
}

fn refusal(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Refused(reason) => Some(reason.clone()),
        Outcome::Confirmed | Outcome::Unroutable | Outcome::Unconfirmed | Outcome::Unknown => None,
    }
}

fn is_done(row: &OutboxRow, nth: usize, outcome: &Outcome) -> bool {
    if *outcome == Outcome::Unroutable && nth == 0 {
        counter!("messages_unroutable_total", "name" => row.envelope.name.clone()).increment(1);
    }
    outcome.is_done(nth)
}
