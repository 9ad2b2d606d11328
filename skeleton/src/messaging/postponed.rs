//! Routes whose messages are postponed, because no queue is bound for them or because they must not overtake such a
//! message: when each is retried. Kept in memory by the relaying replica; the store says which messages are postponed.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use metrics::gauge;

use crate::store::{COUNTED, OutboxRow, Route};

/// The pause before a route is retried. It doubles each time, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The interval at which postponed messages are read from the store: another replica may have postponed some.
const REFRESH: TimeDelta = TimeDelta::seconds(15);

/// All routes with postponed messages. There are at most as many as message types, however many messages wait.
#[derive(Default)]
pub(super) struct Postponed {
    routes: BTreeMap<Route, State>,
    /// Routes whose messages are published apart: all of them are postponed, and none is made ready.
    apart: BTreeSet<Route>,
    refreshed: Option<DateTime<Utc>>,
    /// Whether the routes were read from the store since this replica relays.
    is_complete: bool,
}

/// The state of a route.
struct State {
    messages: u64,
    /// There are more messages than the store counts.
    is_capped: bool,
    /// The last message was unroutable: until the next retry, the route's messages are not sent at all.
    is_blocked: bool,
    was_blocked: bool,
    /// The route may have no queue: it had none, or it is not known why its messages were postponed.
    is_uncertain: bool,
    pause: Duration,
    retry_at: DateTime<Utc>,
    readmitted_through: i64,
}

impl State {
    fn new(now: DateTime<Utc>) -> Self {
        Self {
            messages: 0,
            is_capped: false,
            is_blocked: false,
            was_blocked: false,
            is_uncertain: false,
            pause: FIRST_PAUSE,
            retry_at: now,
            readmitted_through: 0,
        }
    }

    /// Whether the retry is due; also if the clock was set back.
    fn is_due(&self, now: DateTime<Utc>) -> bool {
        let left = self.retry_at - now;
        left <= TimeDelta::zero() || left > span(LONGEST_PAUSE)
    }
}

impl Postponed {
    /// Clears the state: another replica relays.
    pub(super) fn clear(&mut self) {
        self.apart.clear();
        self.is_complete = false;
        if self.refreshed.take().is_some() {
            self.routes.clear();
            self.show();
            gauge!("rows_unreadable").set(0.0);
        }
    }

    /// Whether postponed messages have to be read from the store.
    pub(super) fn is_stale(&self, now: DateTime<Utc>) -> bool {
        self.refreshed.is_none_or(|at| (now - at).abs() > REFRESH)
    }

    /// Updates the state with the postponed messages in the store.
    pub(super) fn refresh(&mut self, mut found: BTreeMap<Route, u64>, now: DateTime<Utc>) {
        (self.refreshed, self.is_complete) = (Some(now), true);
        found.retain(|route, _| !self.apart.contains(route));
        // The messages of a route may all have been made ready just now, and be on trial.
        let is_on_trial = |state: &State| state.is_uncertain && !state.is_due(now);
        self.routes.retain(|route, state| state.is_blocked || is_on_trial(state) || found.contains_key(route));
        for state in self.routes.values_mut() {
            (state.messages, state.is_capped) = (0, false);
        }
        while let Some((route, messages)) = found.pop_first() {
            let unknown = || State { is_uncertain: true, ..State::new(now) };
            let state = self.routes.entry(route).or_insert_with(unknown);
            (state.messages, state.is_capped) = (messages, messages > COUNTED);
        }
        self.show();
    }

    /// Records that the store could not count the postponed messages.
    pub(super) fn not_refreshed(&mut self, now: DateTime<Utc>) {
        self.refreshed = Some(now);
    }

    /// Whether any message may be postponed.
    pub(super) fn any(&self) -> bool {
        !self.is_complete || !self.routes.is_empty() || !self.apart.is_empty()
    }

    /// Postpones all messages of a route until [`Self::is_confirmed_again`].
    pub(super) fn publish_apart(&mut self, route: Route) {
        self.routes.remove(&route);
        self.apart.insert(route);
        self.show();
    }

    /// Messages of this route are retried with the others.
    pub(super) fn is_confirmed_again(&mut self, route: &Route) {
        self.apart.remove(route);
        // Its messages are read from the store at once; until that has succeeded, any message may be postponed.
        (self.refreshed, self.is_complete) = (None, false);
    }

    /// Whether a message is known to be unroutable, or is published apart.
    pub(super) fn is_blocked(&self, row: &OutboxRow) -> bool {
        if !self.any() {
            return false;
        }
        let route = row.route();
        self.apart.contains(&route) || self.routes.get(&route).is_some_and(|state| state.is_blocked)
    }

    /// Whether a message's route is retried and may have no queue.
    pub(super) fn is_on_trial(&self, row: &OutboxRow) -> bool {
        self.routes.get(&row.route()).is_some_and(|state| state.is_uncertain)
    }

    /// The routes to retry now.
    pub(super) fn due(&self, now: DateTime<Utc>) -> Vec<Route> {
        let is_due = |state: &State| (state.messages > 0 || state.is_blocked) && state.is_due(now);
        self.routes.iter().filter(|(_, state)| is_due(state)).map(|(route, _)| route.clone()).collect()
    }

    /// Records that messages of a route are ready again.
    pub(super) fn readmitted(&mut self, route: &Route, positions: &[i64], now: DateTime<Utc>) {
        let Some(state) = self.routes.get_mut(route) else { return };
        state.is_blocked = false;
        state.messages = match positions.len() as u64 {
            0 => 0,
            some => state.messages.saturating_sub(some).max(state.is_capped.into()),
        };
        state.readmitted_through = positions.iter().copied().fold(state.readmitted_through, i64::max);
        state.pause = (state.pause * 2).min(LONGEST_PAUSE);
        state.retry_at = now + span(state.pause);
        if positions.is_empty() {
            self.routes.remove(route);
        }
        self.show();
    }

    /// Records that messages of a route were postponed: one of them was unroutable, or they wait for an earlier one.
    /// True if the route was not blocked before.
    pub(super) fn postponed(&mut self, route: Route, messages: u64, is_blocked: bool, now: DateTime<Utc>) -> bool {
        if self.apart.contains(&route) {
            return false;
        }
        let state = self.routes.entry(route).or_insert_with(|| {
            let mut state = State::new(now);
            state.retry_at = now + span(state.pause);
            state
        });
        let is_first = is_blocked && !state.was_blocked;
        if is_blocked && !state.is_blocked {
            state.retry_at = now + span(state.pause);
        }
        state.messages += messages;
        state.is_blocked |= is_blocked;
        state.was_blocked |= is_blocked;
        state.is_uncertain |= is_blocked;
        self.show();
        is_first
    }

    /// Records that the broker has confirmed this message. If its route was blocked, all postponed messages are retried
    /// at once, and the result is true.
    pub(super) fn sent(&mut self, row: &OutboxRow, now: DateTime<Utc>) -> bool {
        if !self.any() {
            return false;
        }
        let Some(state) = self.routes.get_mut(&row.route()) else { return false };
        state.is_uncertain = false;
        if row.position <= state.readmitted_through {
            (state.pause, state.retry_at) = (FIRST_PAUSE, now);
        }
        if state.is_blocked || !std::mem::take(&mut state.was_blocked) {
            return false;
        }
        for state in self.routes.values_mut() {
            (state.pause, state.retry_at) = (FIRST_PAUSE, now);
        }
        true
    }

    fn show(&self) {
        let messages: u64 = self.routes.values().map(|state| state.messages).sum();
        gauge!("outbox_unroutable_messages").set(messages as f64);
    }
}

/// A duration of the clock.
pub(super) fn span(wait: Duration) -> TimeDelta {
    TimeDelta::from_std(wait).unwrap_or(TimeDelta::MAX)
}

#[cfg(test)]
mod tests {
    use events::Envelope;
    use metrics_exporter_prometheus::PrometheusBuilder;
    use uuid::Uuid;

    use super::*;

    fn row(position: i64) -> OutboxRow {
        let envelope = Envelope {
            id: Uuid::nil(),
            name: "contacts.import-file.v1".to_owned(),
            source: "/contacts".to_owned(),
            time: DateTime::UNIX_EPOCH,
            subject: None,
            sequence: None,
            trace: None,
            correlation_id: None,
            causation_id: None,
            actor: None,
            deadline: None,
        };
        let (exchange, routing_key) = ("jobs.contacts".to_owned(), "import-file.v1".to_owned());
        OutboxRow { position, exchange, routing_key, envelope, body: Vec::new() }
    }

    #[test]
    fn a_gauge_tells_how_many_messages_have_no_queue_until_they_are_sent() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let shown = || {
            let text = recorder.handle().render();
            let line = text.lines().find_map(|line| line.strip_prefix("outbox_unroutable_messages "));
            line.map(|value| value.parse::<u64>().unwrap_or(u64::MAX))
        };
        let (now, route) = (DateTime::UNIX_EPOCH, row(1).route());
        metrics::with_local_recorder(&recorder, || {
            let mut postponed = Postponed::default();
            assert!(postponed.postponed(route.clone(), 300, true, now));
            assert!(postponed.is_blocked(&row(301)));
            assert_eq!(shown(), Some(300));

            assert!(postponed.due(now).is_empty());
            let later = now + span(FIRST_PAUSE);
            assert_eq!(postponed.due(later), std::slice::from_ref(&route));
            postponed.readmitted(&route, &[1, 2], later);
            assert_eq!(shown(), Some(298));
            assert!(postponed.sent(&row(1), later), "it is routable again");
            assert_eq!(postponed.due(later), std::slice::from_ref(&route), "the rest is retried at once");

            postponed.refresh(BTreeMap::new(), later);
            assert_eq!(shown(), Some(0));
        });
    }

    #[test]
    fn a_route_that_stays_without_a_queue_is_tried_after_longer_and_longer_pauses() {
        let (mut postponed, route) = (Postponed::default(), row(1).route());
        let mut now = DateTime::UNIX_EPOCH;
        postponed.postponed(route.clone(), 1, true, now);
        let mut pauses = Vec::new();
        for _ in 0..8 {
            let tried = now;
            while postponed.due(now).is_empty() {
                // Messages that arrive meanwhile are postponed as well, and do not delay the retry.
                postponed.postponed(route.clone(), 1, false, now);
                now += TimeDelta::milliseconds(250);
            }
            pauses.push((now - tried).num_milliseconds());
            postponed.readmitted(&route, &[1], now);
            assert!(!postponed.postponed(route.clone(), 1, true, now), "it is reported once");
        }

        assert_eq!(pauses, [250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000]);
    }

    #[test]
    fn more_messages_than_are_counted_are_all_readmitted() {
        let (mut postponed, route) = (Postponed::default(), row(1).route());
        let mut now = DateTime::UNIX_EPOCH;
        postponed.refresh(BTreeMap::from([(route.clone(), COUNTED + 1)]), now);
        let positions: Vec<i64> = (1..=10_001).collect();
        postponed.readmitted(&route, &positions, now);

        now += span(LONGEST_PAUSE);
        assert_eq!(postponed.due(now), std::slice::from_ref(&route), "there may be more");
        postponed.readmitted(&route, &[], now);
        assert!(postponed.due(now + span(LONGEST_PAUSE)).is_empty());
    }

    #[test]
    fn any_message_may_be_postponed_until_the_store_has_told() {
        let (mut postponed, now) = (Postponed::default(), DateTime::UNIX_EPOCH);
        postponed.not_refreshed(now);
        let before = (postponed.any(), postponed.is_stale(now));

        postponed.refresh(BTreeMap::new(), now);

        assert_eq!((before, postponed.any()), ((true, false), false));
    }

    #[test]
    fn a_clock_that_is_set_back_puts_nothing_off() {
        let (mut postponed, route) = (Postponed::default(), row(1).route());
        let now = DateTime::UNIX_EPOCH + TimeDelta::hours(1);
        postponed.postponed(route.clone(), 1, true, now);

        assert_eq!(postponed.due(now - TimeDelta::minutes(30)), [route]);
    }

    #[test]
    fn a_retry_is_on_trial_until_its_route_is_confirmed_also_after_a_refresh_and_in_another_relay() {
        let (now, route) = (DateTime::UNIX_EPOCH, row(1).route());
        let mut postponed = Postponed::default();
        postponed.postponed(route.clone(), 1, true, now);
        let later = now + span(FIRST_PAUSE);
        postponed.readmitted(&route, &[1], later);
        assert!(postponed.is_on_trial(&row(1)) && postponed.is_on_trial(&row(2)), "also one that is new");
        postponed.refresh(BTreeMap::new(), later);
        assert!(postponed.is_on_trial(&row(1)), "none of its route is postponed at the moment");

        let mut successor = Postponed::default();
        successor.refresh(BTreeMap::from([(route.clone(), 1)]), later);
        successor.readmitted(&route, &[1], later);
        assert!(successor.is_on_trial(&row(1)));
        assert!(!successor.sent(&row(1), later), "it is not known that it had no queue");
        assert!(!successor.is_on_trial(&row(1)));
    }
}
