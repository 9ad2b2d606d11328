//! Routes with a queue that does not confirm. Their messages are postponed, so that the others go on, and are published
//! apart from them: a channel of the broker that waits for such a queue handles nothing else for about a minute.
//!
//! All postponed messages of the route are tried in turn, so that its other queues receive them. Messages of one subject
//! are published in order, each after the confirm of the one before. When every message of the route is confirmed, the
//! route is published with the others again.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use metrics::{counter, gauge};
use tracing::{info, warn};

use super::{Outcome, Publisher, postponed::Postponed};
use crate::{
    failure::StoreError,
    store::{Outbox, OutboxRow, Route, in_all_versions},
};

/// The maximum number of subjects of one route that are published at a time.
const WIDTH: usize = 64;

/// The pause before the messages of a route are tried again. It doubles each time, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The routes that are published apart.
#[derive(Default)]
pub(super) struct Apart {
    routes: BTreeMap<Route, Progress>,
    /// The attempts in progress.
    pub(super) in_flight: FuturesUnordered<BoxFuture<'static, Attempt>>,
    /// Attempts that have ended and are not settled.
    pub(super) ended: Vec<Attempt>,
}

/// The messages of one subject that were published apart.
pub(super) struct Attempt {
    route: Route,
    /// Confirmed by the broker.
    done: Vec<OutboxRow>,
    /// Whether a queue did not confirm the message after those.
    is_unconfirmed: bool,
}

/// How far the postponed messages of a route were tried.
struct Progress {
    in_flight: usize,
    tried_through: i64,
    is_read: bool,
    has_failed: bool,
    /// Whether messages of this pass were tried, and whether some were left because they would overtake another.
    has_tried: bool,
    has_left: bool,
    /// The number of attempts without a failure since the last one.
    confirmed: usize,
    pause: Duration,
    retry_at: DateTime<Utc>,
}

/// What to do next with a route.
enum Step {
    /// Every message was confirmed.
    Confirmed,
    Wait,
    /// Read messages after this position.
    Read(i64),
}

impl Progress {
    fn new(now: DateTime<Utc>) -> Self {
        let (pause, retry_at) = (FIRST_PAUSE, now + span(FIRST_PAUSE));
        let (in_flight, tried_through, confirmed) = (0, 0, 0);
        let (is_read, has_failed, has_tried, has_left) = (false, false, false, false);
        Self { in_flight, tried_through, is_read, has_failed, has_tried, has_left, confirmed, pause, retry_at }
    }

    fn step(&mut self, now: DateTime<Utc>) -> Step {
        if self.in_flight == 0 {
            let is_through = self.is_read && !self.has_failed && (self.has_tried || !self.has_left);
            if self.confirmed >= WIDTH || is_through {
                return Step::Confirmed;
            }
            if self.is_read {
                self.begin_again(now);
            }
        }
        let left = self.retry_at - now;
        let is_pause = left > TimeDelta::zero() && left <= span(LONGEST_PAUSE);
        if is_pause || self.in_flight >= WIDTH || self.confirmed >= WIDTH {
            return Step::Wait;
        }
        Step::Read(self.tried_through)
    }

    /// Takes messages to publish now: up to the limit, and none with an earlier postponed message. Of a subject, whose
    /// order spans several routes, only the first is taken; the relay publishes the others in their order.
    fn take(&mut self, rows: Vec<OutboxRow>, first: &BTreeMap<i64, i64>, is_all: bool) -> Vec<Vec<OutboxRow>> {
        self.is_read = is_all;
        let mut subjects: BTreeMap<i64, Vec<OutboxRow>> = BTreeMap::new();
        for row in rows {
            let key = row.ordering_key();
            let is_next = first.get(&key) == Some(&row.position);
            if is_next && self.in_flight + subjects.len() >= WIDTH {
                self.is_read = false;
                break;
            }
            self.tried_through = row.position;
            if is_next {
                subjects.insert(key, vec![row]);
            } else if row.envelope.sequence.is_none()
                && let Some(rows) = subjects.get_mut(&key)
            {
                rows.push(row);
            } else {
                self.has_left = true;
            }
        }
        self.has_tried |= !subjects.is_empty();
        self.in_flight += subjects.len();
        subjects.into_values().collect()
    }

    fn begin_again(&mut self, now: DateTime<Utc>) {
        (self.tried_through, self.is_read, self.has_failed) = (0, false, false);
        (self.has_tried, self.has_left) = (false, false);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        self.retry_at = now + span(self.pause);
    }
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
        window: i64,
        postponed: &mut Postponed,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        while let Some(Some(attempt)) = self.in_flight.next().now_or_never() {
            self.ended.push(attempt);
        }
        while let Some(attempt) = self.ended.pop() {
            self.settle(attempt, store).await?;
        }
        let routes: Vec<Route> = self.routes.keys().cloned().collect();
        for route in routes {
            let Some(progress) = self.routes.get_mut(&route) else { continue };
            match progress.step(now) {
                Step::Wait => {}
                Step::Read(after) => {
                    let rows = store.postponed_of(&route, after, window).await?;
                    let keys: Vec<i64> = rows.iter().map(OutboxRow::ordering_key).collect();
                    let first = store.first_postponed(&keys).await?;
                    let is_all = (rows.len() as i64) < window;
                    let attempts = progress.take(rows, &first, is_all);
                    let attempt = |rows| attempt(publisher.clone(), route.clone(), rows).boxed();
                    self.in_flight.extend(attempts.into_iter().map(attempt));
                }
                Step::Confirmed => {
                    info!(routing_key = route.routing_key, "this message is confirmed again");
                    self.routes.remove(&route);
                    postponed.is_confirmed_again(&route);
                    self.show();
                }
            }
        }
        Ok(())
    }

    async fn settle<S: Outbox>(&mut self, attempt: Attempt, store: &S) -> Result<(), StoreError> {
        if let Some(progress) = self.routes.get_mut(&attempt.route) {
            progress.in_flight = progress.in_flight.saturating_sub(1);
            progress.has_failed |= attempt.is_unconfirmed;
            progress.confirmed = if attempt.is_unconfirmed { 0 } else { progress.confirmed + 1 };
        }
        if attempt.done.is_empty() {
            return Ok(());
        }
        counter!("outbox_relayed_total").increment(attempt.done.len() as u64);
        let positions: Vec<i64> = attempt.done.iter().map(|row| row.position).collect();
        store.remove(&positions).await
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

/// Publishes the messages of one subject, up to the first that is not confirmed.
async fn attempt<P: Publisher>(publisher: Arc<P>, route: Route, rows: Vec<OutboxRow>) -> Attempt {
    let mut attempt = Attempt { route, done: Vec::new(), is_unconfirmed: false };
    for row in rows {
        let outcomes = publisher.publish_apart(in_all_versions(row.clone())).await;
        attempt.is_unconfirmed = outcomes.iter().any(|it| matches!(it, Outcome::Unconfirmed | Outcome::Unknown));
        if outcomes.iter().any(|it| *it != Outcome::Confirmed) {
            // Any other outcome is left to the relay, once the route is confirmed again.
            break;
        }
        attempt.done.push(row);
    }
    attempt
}

fn span(length: Duration) -> TimeDelta {
    TimeDelta::from_std(length).unwrap_or(TimeDelta::MAX)
}
