//! The relay: sends what transactions have left in the outbox, and forgets it when the broker has it.
//!
//! It promises: what is committed is published at least once, in the order of the outbox for each subject, and
//! nothing is forgotten before its own confirm. A message that no queue takes is counted and kept: the history takes
//! every event, whoever listens, and a job has its queue, so it is the topology that is missing. Such a message is
//! postponed with what must not overtake it, and tried again after a growing pause; what is behind it goes out.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use metrics::{counter, gauge};
use tracing::{info, warn};

use super::{Outcome, Outgoing, Publisher, postponed::Postponed};
use crate::{
    environment::Environment,
    failure::StoreError,
    stop::Stop,
    store::{Outbox, OutboxRow, Route, in_all_versions},
};

/// How long the relay sleeps when nobody wakes it: also how soon a replica takes over from one that died.
const POLL: Duration = Duration::from_millis(500);

/// The wait after trouble.
const PAUSE: Duration = Duration::from_millis(250);

/// How often the right to relay is kept while messages are on their way. A replica that is frozen does not.
const KEEP: Duration = Duration::from_secs(5);

/// Sends the outbox of one store.
pub struct Relay<S, P> {
    store: S,
    publisher: Arc<P>,
    window: i64,
    environment: Environment,
}

impl<S: Outbox, P: Publisher> Relay<S, P> {
    /// A relay that has at most `window` messages unconfirmed.
    pub fn new(store: S, publisher: Arc<P>, window: i64) -> Self {
        Self { store, publisher, window, environment: Environment::system() }
    }

    /// The same, with another clock to wait by.
    pub fn in_environment(self, environment: Environment) -> Self {
        Self { environment, ..self }
    }

    /// Relays until told to stop, and then once more what is there, as far as the broker takes it. What is left is for
    /// another replica.
    pub async fn run(self, stop: Stop) {
        self.relay_until(stop).await;
        self.store.release_leadership().await;
    }

    async fn relay_until(&self, stop: Stop) {
        let mut troubled = false;
        let mut postponed = Postponed::default();
        loop {
            let turn = self.turn(&mut postponed).await;
            if let Err(error) = &turn
                && !std::mem::replace(&mut troubled, true)
            {
                warn!(%error, "the outbox cannot be read: trying until it can");
            }
            if turn.is_ok() && std::mem::take(&mut troubled) {
                info!("the outbox can be read again");
            }
            let wait = match turn {
                Ok(PassResult::Sent) => continue,
                Ok(PassResult::Empty | PassResult::Elsewhere) if stop.is_stopped() => return,
                Ok(PassResult::Empty) => POLL,
                Ok(PassResult::Elsewhere) => POLL,
                Ok(PassResult::Stuck) | Err(_) if stop.is_stopped() => return,
                Ok(PassResult::Stuck) | Err(_) => PAUSE,
            };
            tokio::select! {
                biased;
                () = self.store.wakeup().notified() => {}
                () = self.environment.sleep(wait) => {}
                () = stop.stopped() => {}
            }
        }
    }

    /// Sends one window.
    async fn turn(&self, postponed: &mut Postponed) -> Result<PassResult, StoreError> {
        let Some(rows) = self.store.next(self.window).await? else {
            postponed.clear();
            return Ok(PassResult::Elsewhere);
        };
        if self.readmit(postponed).await? {
            // What is ready again goes before what was read.
            return Ok(PassResult::Sent);
        }
        if rows.is_empty() {
            return Ok(PassResult::Empty);
        }
        let waiting = self.waiting(&rows, postponed).await?;
        let (waiting, ready): (Vec<_>, Vec<_>) = rows.iter().partition(|row| waiting.contains(&row.position));
        let sent = self.send(&ready).await;
        self.settle(&sent, &waiting, postponed).await?;
        Ok(if sent.unknown == 0 { PassResult::Sent } else { PassResult::Stuck })
    }

    /// Makes those messages ready whose route is to be tried again. Whether there are any.
    async fn readmit(&self, postponed: &mut Postponed) -> Result<bool, StoreError> {
        let now = self.environment.now();
        if postponed.is_stale(now) {
            postponed.refresh(self.store.postponed().await?, now);
            gauge!("rows_unreadable").set(self.store.unreadable().await? as f64);
        }
        let mut any = false;
        for route in postponed.due(now) {
            let positions = self.store.readmit(&route, self.window).await?;
            postponed.readmitted(&route, &positions, now);
            any |= !positions.is_empty();
        }
        Ok(any)
    }

    /// The positions of those that are not to be sent now: no queue takes their route, or they would overtake one that is
    /// postponed.
    async fn waiting(&self, rows: &[OutboxRow], postponed: &Postponed) -> Result<BTreeSet<i64>, StoreError> {
        if !postponed.any() {
            return Ok(BTreeSet::new());
        }
        let keys: Vec<i64> = rows.iter().map(OutboxRow::ordering_key).collect();
        let mut first = self.store.first_postponed(&keys).await?;
        let mut waiting = BTreeSet::new();
        for (row, key) in rows.iter().zip(keys) {
            let overtakes = first.get(&key).is_some_and(|first| *first < row.position);
            if overtakes || postponed.is_blocked(row) {
                waiting.insert(row.position);
                first.entry(key).or_insert(row.position);
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
            // Each is looked at, so that each is counted.
            let left: Vec<Outcome> = outcomes.by_ref().take(count).filter(|outcome| !is_done(row, *outcome)).collect();
            if left.is_empty() {
                sent.done.push(row);
            } else if left.contains(&Outcome::Unknown) {
                sent.unknown += 1;
            } else {
                sent.unroutable.push(row);
            }
        }
        sent
    }

    /// Publishes, and keeps the right to relay for as long as that takes.
    async fn publish(&self, messages: Vec<Outgoing>) -> Vec<Outcome> {
        if messages.is_empty() {
            return Vec::new();
        }
        let keeping = async {
            loop {
                self.environment.sleep(KEEP).await;
                if let Err(error) = self.store.keep_relaying().await {
                    warn!(%error, "the right to relay could not be kept");
                }
            }
        };
        tokio::select! {
            biased;
            outcomes = self.publisher.publish(messages) => outcomes,
            () = keeping => Vec::new(),
        }
    }

    /// Forgets what the broker has, and postpones what no queue takes and what waits for that.
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
        let now = self.environment.now();
        for row in &sent.done {
            if postponed.sent(row, now) {
                info!(message.name = row.envelope.name, "queues take this message again");
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
                warn!(routing_key = key, "no queue takes this message: apply the topology");
            }
        }
        Ok(())
    }
}

/// What became of a window.
#[derive(Default)]
struct Sent<'a> {
    /// The broker has them.
    done: Vec<&'a OutboxRow>,
    /// No queue takes them.
    unroutable: Vec<&'a OutboxRow>,
    /// The broker may have them or not.
    unknown: usize,
}

fn by_route(rows: &[&OutboxRow]) -> BTreeMap<Route, u64> {
    let mut routes = BTreeMap::new();
    for row in rows {
        *routes.entry(row.route()).or_default() += 1;
    }
    routes
}

enum PassResult {
    /// Nothing of the window is left to send.
    Sent,
    /// Some of it is not with the broker for certain.
    Stuck,
    /// There was nothing to send.
    Empty,
    /// Another replica relays.
    Elsewhere,
}

fn is_done(row: &OutboxRow, outcome: Outcome) -> bool {
    match outcome {
        Outcome::Confirmed => true,
        Outcome::Unknown => false,
        Outcome::Unroutable => {
            counter!("messages_unroutable_total", "name" => row.envelope.name.clone()).increment(1);
            false
        }
    }
}
