//! The ledger: the expected and the actual contents of all stores after a trial.
//!
//! Lost: contacts that were not added, that the network or the search does not have, or that the tally has not counted;
//! imports without a notification; skipped sequences of a subject. Doubled: surplus contacts or documents, contacts
//! that the network has linked more than once (its events are numbered by contact), events that the tally has counted
//! twice. Out of order: events that the tally has handled after a later one of their subject.

use std::fmt;

use serde::Serialize;

/// The size of the flow.
#[derive(Clone, Copy, Default)]
pub struct Expected {
    /// New contacts.
    pub contacts: usize,
    /// Imported files.
    pub imports: usize,
    /// Changes of contacts.
    pub changes: usize,
}

/// The result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Ledger {
    /// Events of new contacts sent.
    pub events: usize,
    /// Effects that are missing.
    pub lost: i64,
    /// Effects that exist more than once.
    pub doubled: i64,
    /// Events handled after a later one of their subject.
    pub out_of_order: i64,
    /// From the end of the fault until all effects existed.
    pub seconds_to_settle: u64,
}

impl Ledger {
    /// Whether every effect exists once, and in order.
    pub fn is_clean(&self) -> bool {
        (self.lost, self.doubled, self.out_of_order) == (0, 0, 0)
    }

    /// The sum of both.
    pub fn and(self, other: Self) -> Self {
        Self {
            events: self.events + other.events,
            lost: self.lost + other.lost,
            doubled: self.doubled + other.doubled,
            out_of_order: self.out_of_order + other.out_of_order,
            seconds_to_settle: self.seconds_to_settle.max(other.seconds_to_settle),
        }
    }
}

impl fmt::Display for Ledger {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { events, lost, doubled, out_of_order, .. } = self;
        write!(to, "{events} events, {lost} lost, {doubled} doubled, {out_of_order} out of order")
    }
}
