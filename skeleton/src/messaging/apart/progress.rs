//! How far the postponed messages of one route have been published apart.
//!
//! A sweep reads them all in the order of the outbox and tries the first of each subject. What was tried without a
//! confirm is not tried by the next sweep, because the other queues of its route have it: a few such messages are tried
//! again after a pause, and more at a time as long as at least half of them are confirmed.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};

use super::Attempt;
use crate::{messaging::postponed::span, store::OutboxRow};

/// The maximum number of subjects of one route that are published at a time, and of those whose queue does not respond.
/// The latter take 65 s and do not count towards the former.
const WIDTH: usize = 64;
const WIDTH_STUCK: usize = 256;

/// An attempt that takes longer waits for a queue that does not respond.
const STUCK_AFTER: TimeDelta = TimeDelta::seconds(5);

/// The number of messages that are tried again after a pause.
const PROBES: usize = 4;

/// The longest pause before the next sweep when a message was confirmed: another may be next in its subject.
const AFTER_A_CONFIRM: Duration = Duration::from_secs(1);

/// The pause before messages are tried again. It doubles each time, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The progress of one route.
pub(super) struct Progress {
    /// The first message of each subject that is being published, and since when.
    in_flight: BTreeMap<i64, DateTime<Utc>>,
    /// Messages that were tried without a confirm: one for each subject.
    failed: BTreeSet<i64>,
    /// Messages that the broker refuses for a reason other than their queue: left to the relay.
    left: BTreeSet<i64>,
    sweep: Sweep,
    again: Again,
    /// The number of confirmed messages since the last failure.
    confirmed: usize,
}

/// The reading of all messages of the route.
struct Sweep {
    through: i64,
    is_read: bool,
    /// Whether messages were tried, and whether some were left because they would overtake another.
    has_tried: bool,
    has_left: bool,
    pause: Pause,
}

/// The repetition of failed messages, a round at a time.
struct Again {
    /// The maximum number of messages of the next round.
    width: usize,
    /// The last message that was tried again: the next round goes on behind it, so that no queue's messages keep
    /// another's from being tried.
    after: i64,
    in_flight: BTreeSet<i64>,
    confirmed: usize,
    failed: usize,
    pause: Pause,
}

/// A growing pause.
struct Pause {
    length: Duration,
    until: DateTime<Utc>,
}

/// Some postponed messages of the route in their order, and the first postponed message of each of their subjects.
pub(super) struct Page {
    pub(super) rows: Vec<OutboxRow>,
    pub(super) first: BTreeMap<i64, i64>,
    /// Whether there are no more messages behind them.
    pub(super) is_all: bool,
}

/// What to do next with a route.
pub(super) enum Step {
    /// Every message was confirmed.
    Confirmed,
    Wait,
    /// Read messages after this position, and try those that were not tried before.
    Sweep(i64),
    /// Read messages after this position, and try those again that have failed.
    Again(i64),
}

impl Pause {
    fn begin(now: DateTime<Utc>) -> Self {
        Self { length: FIRST_PAUSE, until: now + span(FIRST_PAUSE) }
    }

    fn lengthen(&mut self, now: DateTime<Utc>) {
        self.length = (self.length * 2).min(LONGEST_PAUSE);
        self.until = now + span(self.length);
    }

    /// Whether it is over; also if the clock was set back.
    fn is_over(&self, now: DateTime<Utc>) -> bool {
        let left = self.until - now;
        left <= TimeDelta::zero() || left > span(LONGEST_PAUSE)
    }
}

impl Progress {
    /// Before the first sweep, after a pause.
    pub(super) fn new(now: DateTime<Utc>) -> Self {
        let sweep = Sweep { through: 0, is_read: true, has_tried: false, has_left: true, pause: Pause::begin(now) };
        let again = Again {
            width: PROBES,
            after: 0,
            in_flight: BTreeSet::new(),
            confirmed: 0,
            failed: 0,
            pause: Pause::begin(now),
        };
        let (in_flight, failed, left) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
        Self { in_flight, failed, left, sweep, again, confirmed: 0 }
    }

    /// What to do next.
    pub(super) fn step(&mut self, now: DateTime<Utc>) -> Step {
        self.end_round_without_stuck(now);
        if self.failed.is_empty() && self.again.in_flight.is_empty() {
            // What waits behind a message that was left to the relay is left to it, too.
            let is_read_whole = self.sweep.has_tried || !self.sweep.has_left || !self.left.is_empty();
            let is_through = self.sweep.is_read && is_read_whole;
            let is_well = self.confirmed >= WIDTH;
            if self.in_flight.is_empty() && (is_well || is_through) {
                return Step::Confirmed;
            }
            if is_well && self.stuck(now) == 0 {
                return Step::Wait;
            }
        }
        if self.room(now) == 0 {
            return Step::Wait;
        }
        if self.again.in_flight.is_empty() && self.again.pause.is_over(now) {
            let behind = (Bound::Excluded(self.again.after), Bound::Unbounded);
            if let Some(next) = self.failed.range(behind).next().or(self.failed.first()) {
                return Step::Again(next - 1);
            }
        }
        if self.sweep.is_read && self.sweep.pause.is_over(now) {
            self.sweep.through = 0;
            (self.sweep.is_read, self.sweep.has_tried, self.sweep.has_left) = (false, false, false);
        } else if self.sweep.is_read && self.sweep.through == 0 {
            return Step::Wait;
        }
        Step::Sweep(self.sweep.through)
    }

    /// Ends a round of which only attempts are left that wait for a queue that does not respond: those whose queues
    /// respond again must not wait for them.
    fn end_round_without_stuck(&mut self, now: DateTime<Utc>) {
        let is_stuck = |position: &i64| self.in_flight.get(position).is_some_and(|since| is_long_ago(*since, now));
        if self.again.confirmed > 0 && !self.again.in_flight.is_empty() && self.again.in_flight.iter().all(is_stuck) {
            self.again.failed += self.again.in_flight.len();
            self.again.in_flight.clear();
            self.again.judge(now);
        }
    }

    /// The number of messages being published.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Whether the sweep has reached the end of what there is.
    pub(super) fn is_read(&self) -> bool {
        self.sweep.is_read
    }

    fn stuck(&self, now: DateTime<Utc>) -> usize {
        self.in_flight.values().filter(|since| is_long_ago(**since, now)).count()
    }

    /// How many more messages may be in flight.
    fn room(&self, now: DateTime<Utc>) -> usize {
        let all = self.in_flight.len();
        WIDTH.saturating_sub(all - self.stuck(now)).min(WIDTH_STUCK.saturating_sub(all))
    }

    /// Takes messages to publish for the first time: none with an earlier postponed message.
    pub(super) fn take(&mut self, page: Page, room: usize, now: DateTime<Utc>) -> Vec<Vec<OutboxRow>> {
        let Page { rows, first, is_all } = page;
        let room = room.min(self.room(now));
        let mut subjects = Subjects::default();
        let mut is_read = is_all;
        for row in rows {
            let position = row.position;
            let is_next = first.get(&row.ordering_key()) == Some(&position);
            let is_known = self.in_flight.contains_key(&position)
                || self.failed.contains(&position)
                || self.left.contains(&position);
            if is_next && !is_known && subjects.0.len() >= room {
                is_read = false;
                break;
            }
            self.sweep.through = position;
            self.sweep.has_left |= !is_known && !subjects.add(row, is_next);
        }
        self.sweep.has_tried |= !subjects.0.is_empty();
        if is_read && !self.sweep.is_read {
            // What it has left may be next by now, if anything was confirmed meanwhile.
            if self.sweep.has_tried {
                self.sweep.pause = Pause::begin(now);
            } else {
                self.sweep.pause.lengthen(now);
            }
        }
        self.sweep.is_read |= is_read;
        self.begin(subjects, now)
    }

    /// Takes failed messages to publish again, and forgets those that are no longer there.
    pub(super) fn take_again(
        &mut self,
        after: i64,
        page: Page,
        room: usize,
        now: DateTime<Utc>,
    ) -> Vec<Vec<OutboxRow>> {
        let Page { rows, first, is_all } = page;
        let width = self.again.width.min(room).min(self.room(now));
        let last = if is_all { i64::MAX } else { rows.last().map_or(after + 1, |row| row.position) };
        let there: BTreeSet<i64> = rows.iter().map(|row| row.position).collect();
        self.failed.retain(|position| *position <= after || *position > last || there.contains(position));
        let mut subjects = Subjects::default();
        for row in rows {
            let is_next = first.get(&row.ordering_key()) == Some(&row.position);
            let is_failed = self.failed.contains(&row.position);
            if is_failed && subjects.0.len() >= width {
                break;
            }
            if is_failed {
                self.failed.remove(&row.position);
                self.again.after = row.position;
            }
            subjects.add(row, is_next && is_failed);
        }
        self.sweep.has_tried |= !subjects.0.is_empty();
        self.again.in_flight = subjects.0.values().filter_map(|rows| rows.first()).map(|row| row.position).collect();
        (self.again.confirmed, self.again.failed) = (0, 0);
        self.begin(subjects, now)
    }

    fn begin(&mut self, subjects: Subjects, now: DateTime<Utc>) -> Vec<Vec<OutboxRow>> {
        let subjects: Vec<Vec<OutboxRow>> = subjects.0.into_values().collect();
        self.in_flight.extend(subjects.iter().filter_map(|rows| rows.first()).map(|row| (row.position, now)));
        subjects
    }

    /// Records the end of an attempt.
    pub(super) fn ended(&mut self, attempt: &Attempt, now: DateTime<Utc>) {
        self.in_flight.remove(&attempt.first);
        let is_unconfirmed = attempt.is_unconfirmed;
        self.confirmed = if is_unconfirmed { 0 } else { self.confirmed + attempt.done.len().max(1) };
        if let Some(stopped_at) = attempt.stopped_at {
            let positions = if is_unconfirmed { &mut self.failed } else { &mut self.left };
            positions.insert(stopped_at);
        }
        let soon = now + span(AFTER_A_CONFIRM);
        if self.sweep.has_left && attempt.stopped_at.is_none() && self.sweep.pause.until > soon {
            self.sweep.pause = Pause { length: AFTER_A_CONFIRM, until: soon };
        }
        if !self.again.in_flight.remove(&attempt.first) {
            return;
        }
        if is_unconfirmed {
            self.again.failed += 1
        } else {
            self.again.confirmed += 1
        }
        if self.again.in_flight.is_empty() {
            self.again.judge(now);
        }
    }
}

impl Again {
    /// Decides on the next round after one has ended.
    fn judge(&mut self, now: DateTime<Utc>) {
        self.width =
            if self.confirmed >= self.failed { (self.width * 2).min(WIDTH) } else { (self.width / 2).max(PROBES) };
        if self.confirmed == 0 {
            self.pause.lengthen(now);
        } else {
            self.pause = Pause::begin(now);
            if self.failed == 0 {
                self.pause.until = now;
            }
        }
    }
}

/// The messages of each subject to publish one after the other.
#[derive(Default)]
struct Subjects(BTreeMap<i64, Vec<OutboxRow>>);

impl Subjects {
    /// Adds a message, if it is the next of its subject, or follows one that was added. Of a subject, whose order spans
    /// several routes, only the first is added; the relay publishes the others in their order. Jobs of a kind have one key:
    /// of these, as many are added as prove that the queue is well.
    fn add(&mut self, row: OutboxRow, is_next: bool) -> bool {
        let key = row.ordering_key();
        if is_next {
            self.0.insert(key, vec![row]);
            return true;
        }
        match self.0.get_mut(&key).filter(|rows| row.envelope.sequence.is_none() && rows.len() < WIDTH) {
            Some(rows) => rows.push(row),
            None => return false,
        }
        true
    }
}

/// Whether an attempt that began then waits for a queue that does not respond.
fn is_long_ago(since: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    (now - since).abs() > STUCK_AFTER
}
