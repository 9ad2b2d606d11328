//! Routes with a queue that does not confirm. Their messages are postponed, so that the others go on, and are published
//! apart from them: a channel of the broker that waits for such a queue handles nothing else for about a minute.
//!
//! All postponed messages of the route are tried once, so that its other queues receive them; after that, a few are tried
//! again from time to time, until the queue confirms them. Messages of one subject are published in order, each after the
//! confirm of the one before. When every message that was tried is confirmed, the route is published with the others
//! again.

mod progress;

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use metrics::{counter, gauge};
use tracing::{info, warn};

use self::progress::{Page, Progress, Step};
use super::{Outcome, Publisher, postponed::Postponed};
use crate::{
    failure::StoreError,
    store::{Outbox, OutboxRow, Route, in_all_versions},
};

/// The maximum number of attempts in progress. Each version of each message has a channel of its own, and the broker
/// allows 2,047 on a connection.
const ATTEMPTS: usize = 900;

/// The maximum number of pages of one route that are read at a time. Most of their messages may have been tried before.
const PAGES: usize = 16;

/// The routes that are published apart.
#[derive(Default)]
pub(super) struct Apart {
    routes: BTreeMap<Route, Progress>,
    /// The attempts in progress.
    in_flight: FuturesUnordered<BoxFuture<'static, Attempt>>,
    /// Attempts that have ended and are not settled.
    ended: Vec<Attempt>,
}

/// The messages that the relay publishes next, which those published apart must not overtake.
pub(super) struct Ready {
    window: i64,
    /// The first message of each subject.
    first: BTreeMap<i64, i64>,
    /// The last message, if there may be more behind it.
    last: Option<i64>,
}

impl Ready {
    /// A window of the outbox.
    pub(super) fn new(rows: &[OutboxRow], window: i64) -> Self {
        let mut first = BTreeMap::new();
        for row in rows {
            first.entry(row.ordering_key()).or_insert(row.position);
        }
        let last = rows.last().map(|row| row.position).filter(|_| rows.len() as i64 >= window);
        Self { window, first, last }
    }

    /// The position of the first message of a subject that is ready, or may be ready behind the window.
    fn first_of(&self, key: i64) -> i64 {
        self.first.get(&key).copied().or(self.last.map(|last| last + 1)).unwrap_or(i64::MAX)
    }
}

/// The messages of one subject that were published apart.
struct Attempt {
    route: Route,
    /// The position of the first message.
    first: i64,
    /// Confirmed by the broker.
    done: Vec<OutboxRow>,
    /// The position of the message after those, if there is one that was not confirmed.
    stopped_at: Option<i64>,
    /// Whether a queue did not confirm that message.
    is_unconfirmed: bool,
}

impl Apart {
    /// Postpones messages that a queue did not confirm; their routes are published apart.
    pub(super) async fn add<S: Outbox>(
        &mut self,
        unconfirmed: &[&OutboxRow],
        store: &S,
        postponed: &mut Postponed,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        if unconfirmed.is_empty() {
            return Ok(());
        }
        store.postpone(unconfirmed).await?;
        for row in unconfirmed {
            let route = row.route();
            if let Entry::Vacant(entry) = self.routes.entry(route.clone()) {
                entry.insert(Progress::new(now));
                warn!(routing_key = route.routing_key, "a queue does not confirm this message: publishing it apart");
                postponed.publish_apart(route);
            }
        }
        self.show();
        Ok(())
    }

    /// Settles attempts that have ended, and begins others.
    pub(super) async fn go_on<S: Outbox, P: Publisher + 'static>(
        &mut self,
        store: &S,
        publisher: &Arc<P>,
        ready: &Ready,
        postponed: &mut Postponed,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        while let Some(Some(attempt)) = self.in_flight.next().now_or_never() {
            self.ended.push(attempt);
        }
        while let Some(attempt) = self.ended.last() {
            // If this fails, it is settled once the store is back: what was confirmed must not be published again.
            remove_done(attempt, store).await?;
            let Some(attempt) = self.ended.pop() else { break };
            if let Some(progress) = self.routes.get_mut(&attempt.route) {
                progress.ended(&attempt, now);
            }
        }
        let routes: Vec<Route> = self.routes.keys().cloned().collect();
        for route in routes {
            self.advance(&route, store, publisher, ready, postponed, now).await?;
        }
        Ok(())
    }

    /// Waits for the end of an attempt. Never returns if there is none.
    pub(super) async fn one_ends(&mut self) {
        match self.in_flight.next().await {
            Some(attempt) => self.ended.push(attempt),
            None => std::future::pending().await,
        }
    }

    /// Begins attempts for messages of one route.
    async fn advance<S: Outbox, P: Publisher + 'static>(
        &mut self,
        route: &Route,
        store: &S,
        publisher: &Arc<P>,
        ready: &Ready,
        postponed: &mut Postponed,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        // Of all attempts, each route has its share.
        let share = (ATTEMPTS / self.routes.len().max(1)).max(1);
        for _ in 0..PAGES {
            let room = ATTEMPTS.saturating_sub(self.in_flight.len());
            let Some(progress) = self.routes.get_mut(route) else { return Ok(()) };
            let room = room.min(share.saturating_sub(progress.in_flight()));
            let attempts = match progress.step(now) {
                Step::Confirmed => {
                    info!(routing_key = route.routing_key, "this message is confirmed again");
                    self.routes.remove(route);
                    postponed.is_confirmed_again(route);
                    self.show();
                    return Ok(());
                }
                Step::Sweep(after) if room > 0 => progress.take(page(store, route, after, ready).await?, room, now),
                Step::Again(after) if room > 0 => {
                    progress.take_again(after, page(store, route, after, ready).await?, room, now)
                }
                Step::Wait | Step::Sweep(_) | Step::Again(_) => return Ok(()),
            };
            let is_over = progress.is_read() && attempts.is_empty();
            let attempt = |rows| attempt(publisher.clone(), route.clone(), rows).boxed();
            self.in_flight.extend(attempts.into_iter().map(attempt));
            if is_over {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Clears the state: another replica relays.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
        self.show();
    }

    fn show(&self) {
        gauge!("outbox_routes_apart").set(self.routes.len() as f64);
    }
}

/// Removes what an attempt has published.
async fn remove_done<S: Outbox>(attempt: &Attempt, store: &S) -> Result<(), StoreError> {
    if attempt.done.is_empty() {
        return Ok(());
    }
    let positions: Vec<i64> = attempt.done.iter().map(|row| row.position).collect();
    store.remove(&positions).await?;
    counter!("outbox_relayed_total").increment(positions.len() as u64);
    Ok(())
}

/// Reads postponed messages of a route.
async fn page<S: Outbox>(store: &S, route: &Route, after: i64, ready: &Ready) -> Result<Page, StoreError> {
    let rows = store.postponed_of(route, after, ready.window).await?;
    let keys: Vec<i64> = rows.iter().map(OutboxRow::ordering_key).collect();
    let mut first = if keys.is_empty() { BTreeMap::new() } else { store.first_postponed(&keys).await? };
    for (key, first) in &mut first {
        *first = (*first).min(ready.first_of(*key));
    }
    let is_all = (rows.len() as i64) < ready.window;
    Ok(Page { rows, first, is_all })
}

/// Publishes the messages of one subject, up to the first that is not confirmed.
async fn attempt<P: Publisher>(publisher: Arc<P>, route: Route, rows: Vec<OutboxRow>) -> Attempt {
    let first = rows.first().map_or(0, |row| row.position);
    let mut attempt = Attempt { route, first, done: Vec::new(), stopped_at: None, is_unconfirmed: false };
    for row in rows {
        let outcomes = publisher.publish_apart(in_all_versions(row.clone())).await;
        if !outcomes.iter().enumerate().all(|(nth, outcome)| outcome.is_done(nth)) {
            // Any other outcome is left to the relay, once the route is confirmed again.
            attempt.stopped_at = Some(row.position);
            attempt.is_unconfirmed = outcomes.iter().any(|it| matches!(it, Outcome::Unconfirmed | Outcome::Unknown));
            break;
        }
        attempt.done.push(row);
    }
    attempt
}
