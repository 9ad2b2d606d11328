//! Order: the order that a consumer requires, and when a message is due in it.
//!
//! The producer numbers the events of each subject in the transaction that writes them. For each subject of a producer,
//! the consumer's store keeps a *subject cursor* (`line`): the number of the last event handled. The transaction that
//! handles the next event locks the cursor, so the rule holds in any order of delivery, and with any number of
//! replicas. An event that comes too early is set aside and waits for its predecessor; so does the successor of an
//! event that waits for a retry or is parked.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    iter::successors,
};

use chrono::{DateTime, TimeDelta, Utc};
use events::{
    Envelope, Kind,
    catalogue::{self, Entry},
};
use serde::Serialize;

pub use crate::store::SequencePosition;
use crate::{failure::StoreError, store::Transaction};

/// Events younger than this are in the inbox if they were handled: it keeps 14 days, and clocks may differ.
const SURELY_KNOWN: TimeDelta = TimeDelta::days(13);

/// How much later than its successor an event may be written: the duration of a transaction, plus the clock difference
/// between a producer's replicas.
const OVERTAKING: TimeDelta = TimeDelta::minutes(3);

/// The order that a handler requires of its events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// None: events are independent.
    #[default]
    Any,
    /// An event is skipped if a later one of its subject was handled before.
    LatestWins,
    /// Each event of a subject is handled after its predecessor.
    InOrder,
}

/// Whether a message may be handled now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SequenceCheck {
    /// It may.
    Now,
    /// It is late: a later event was handled, or this one itself.
    Passed,
    /// It is early: this number has not been handled.
    Early {
        /// The number that the subject cursor waits for.
        missing: i64,
    },
}

/// The order that a service's handlers require, by the full name of their message. Others require none.
#[derive(Clone, Debug, Default)]
pub struct Orders(BTreeMap<&'static str, Order>);

impl Orders {
    pub(super) fn set(&mut self, name: &'static str, order: Order) {
        if order != Order::Any {
            self.0.insert(name, order);
        }
    }

    /// The order that the handler of a message requires.
    pub fn of(&self, name: &str) -> Order {
        self.0.get(name).copied().unwrap_or_default()
    }

    /// Whether any handler requires its events in order.
    pub fn any_in_order(&self) -> bool {
        self.0.values().any(|order| *order == Order::InOrder)
    }

    /// A message's sequence position, if its handler depends on order.
    pub(super) fn place_of(&self, envelope: &Envelope) -> Option<SequencePosition> {
        if self.of(&envelope.name) == Order::Any {
            return None;
        }
        let producer = envelope.name.split('.').next().unwrap_or_default();
        let (subject, number) = (envelope.subject.as_ref()?, envelope.sequence?);
        Some(SequencePosition { line: format!("{producer} {subject}"), number })
    }

    /// A message's sequence position, if it may have to wait for its predecessor.
    pub(super) fn waiting_place_of(&self, envelope: &Envelope) -> Option<SequencePosition> {
        self.place_of(envelope).filter(|_| self.of(&envelope.name) == Order::InOrder)
    }

    /// The errors in these requirements, each with what to do. A service that handles one event of a subject in order
    /// must handle all: the numbers of events that it does not consume would be missing forever.
    pub fn errors(&self) -> Vec<String> {
        let in_order: Vec<_> = self
            .0
            .iter()
            .filter(|(_, order)| **order == Order::InOrder)
            .filter_map(|(name, _)| line_kind(name))
            .collect();
        let mut errors = Vec::new();
        if in_order.is_empty() {
            return errors;
        }
        for entry in catalogue::all().filter(|entry| entry.kind == Kind::Event) {
            let Some(kind) = line_kind(entry.name) else { continue };
            let is_newest = !catalogue::all().any(|newer| newer.older.is_some_and(|old| old.entry.name == entry.name));
            if is_newest && in_order.contains(&kind) && !self.hears_in_order(entry) {
                let (producer, subject) = kind;
                errors.push(format!(
                    "events of {producer} about one {subject} are handled in order: handle {} in order too",
                    entry.name
                ));
            }
        }
        errors
    }

    /// Whether an event is handled in order, in its newest version or in an older one. Older versions are published
    /// beside it, as the same event with the same number.
    fn hears_in_order(&self, newest: &'static Entry) -> bool {
        let older = |entry: &&'static Entry| entry.older.map(|older| older.entry);
        successors(Some(newest), older).any(|entry| self.of(entry.name) == Order::InOrder)
    }
}

/// The producer of an event and the kind of its subjects: events with the same pair share subject cursors.
fn line_kind(name: &str) -> Option<(&'static str, String)> {
    let entry = catalogue::find(name)?;
    let schema: serde_json::Value = serde_json::from_str(entry.schema).ok()?;
    Some((entry.service, schema["x-kith"]["subject"].as_str()?.to_owned()))
}

/// The subject cursors of some messages, locked until their transaction ends.
#[derive(Default)]
pub(super) struct SubjectCursors {
    last: HashMap<String, i64>,
    /// When the last event of each was written: for cursors that advanced, and for others once queried.
    times: HashMap<String, DateTime<Utc>>,
    are_times_read: bool,
    moved: BTreeSet<String>,
}

impl SubjectCursors {
    /// Locks the subject cursors of these sequence positions.
    pub(super) async fn locked<T: Transaction>(
        tx: &mut T,
        places: impl Iterator<Item = &SequencePosition>,
    ) -> Result<Self, StoreError> {
        // Sorted: two transactions that want the same cursors wait for each other instead of deadlocking.
        let lines: BTreeSet<String> = places.map(|place| place.line.clone()).collect();
        if lines.is_empty() {
            return Ok(Self::default());
        }
        let lines: Vec<String> = lines.into_iter().collect();
        let last = tx.lock_cursors(&lines).await?.into_iter().collect();
        Ok(Self { last, ..Self::default() })
    }

    /// Whether a message at this sequence position may be handled now.
    pub(super) fn turn(&self, order: Order, place: &SequencePosition) -> SequenceCheck {
        let last = self.last.get(&place.line).copied().unwrap_or(0);
        if place.number <= last {
            return SequenceCheck::Passed;
        }
        if order == Order::InOrder && place.number > last + 1 {
            return SequenceCheck::Early { missing: last + 1 };
        }
        SequenceCheck::Now
    }

    /// Advances the cursor past a handled message, written at this time. A cursor never goes back.
    pub(super) fn advance(&mut self, place: &SequencePosition, written_at: DateTime<Utc>) {
        let last = self.last.entry(place.line.clone()).or_default();
        if place.number > *last {
            *last = place.number;
            self.times.insert(place.line.clone(), written_at);
            self.moved.insert(place.line.clone());
        }
    }

    /// Whether a new event has a number that another event had before: its producer was restored from a backup, and
    /// counts again from there.
    ///
    /// In order, every number up to the last was handled or dropped. The inbox has the handled events, so a new event
    /// of that period has another event's number. With latest wins, numbers may be skipped: there, an event that was
    /// written after the last one has a higher number, whatever transactions and clocks of replicas do.
    pub(super) async fn is_numbered_again<T: Transaction>(
        &mut self,
        tx: &mut T,
        order: Order,
        place: &SequencePosition,
        written_at: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        match order {
            Order::Any => Ok(false),
            Order::InOrder => {
                let is_known_to_the_inbox = tx.unit_of_work().service().environment.now() - written_at < SURELY_KNOWN;
                Ok(is_known_to_the_inbox && !tx.is_given_up(&place.line, place.number).await?)
            }
            Order::LatestWins => {
                self.read_times(tx).await?;
                Ok(self.times.get(&place.line).is_some_and(|last| written_at - last > OVERTAKING))
            }
        }
    }

    async fn read_times<T: Transaction>(&mut self, tx: &mut T) -> Result<(), StoreError> {
        if self.are_times_read {
            return Ok(());
        }
        let lines: Vec<String> = self.last.keys().cloned().collect();
        for (line, at) in tx.line_times(&lines).await? {
            self.times.entry(line).or_insert(at);
        }
        self.are_times_read = true;
        Ok(())
    }

    /// Writes the subject cursors in the transaction.
    pub(super) async fn keep<T: Transaction>(&self, tx: &mut T) -> Result<(), StoreError> {
        if self.moved.is_empty() {
            return Ok(());
        }
        let reached: Vec<_> = self.moved.iter().map(|line| (line.clone(), self.last[line], self.times[line])).collect();
        tx.unit_of_work_mut().moves(self.moved.iter().cloned());
        tx.advance_lines_at(&reached).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(number: i64) -> SequencePosition {
        SequencePosition { line: "contacts 7".to_owned(), number }
    }

    #[test]
    fn in_order_waits_for_the_one_before_and_passes_over_what_was() {
        let lines = SubjectCursors { last: [("contacts 7".to_owned(), 4)].into(), ..SubjectCursors::default() };

        assert_eq!(lines.turn(Order::InOrder, &place(4)), SequenceCheck::Passed);
        assert_eq!(lines.turn(Order::InOrder, &place(5)), SequenceCheck::Now);
        assert_eq!(lines.turn(Order::InOrder, &place(7)), SequenceCheck::Early { missing: 5 });
    }

    #[test]
    fn the_latest_wins_whatever_is_missing() {
        let lines = SubjectCursors { last: [("contacts 7".to_owned(), 4)].into(), ..SubjectCursors::default() };

        assert_eq!(lines.turn(Order::LatestWins, &place(9)), SequenceCheck::Now);
        assert_eq!(lines.turn(Order::LatestWins, &place(3)), SequenceCheck::Passed);
    }

    #[test]
    fn who_is_written_against_an_older_version_hears_of_every_number() {
        events::catalogue::register(&contacts_events::PACKAGE);
        let mut orders = Orders::default();
        orders.set("contacts.contact-added.v1", Order::InOrder);
        orders.set("contacts.contact-changed.v1", Order::InOrder);
        orders.set("contacts.contact-removed.v1", Order::InOrder);

        assert_eq!(orders.errors(), Vec::<String>::new());
    }

    #[test]
    fn who_takes_one_event_of_a_subject_in_order_must_take_all() {
        events::catalogue::register(&contacts_events::PACKAGE);
        let mut orders = Orders::default();
        orders.set("contacts.import-started.v1", Order::InOrder);
        orders.set("contacts.import-finished.v1", Order::InOrder);
        orders.set("contacts.import-failed.v1", Order::InOrder);
        orders.set("contacts.import-cancelled.v1", Order::InOrder);

        let errors = orders.errors();

        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].contains("handle contacts.import-progressed.v1 in order too"), "{errors:?}");
    }
}
