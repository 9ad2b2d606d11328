//! The ledger: what should be in every store after a trial, and what is.
//!
//! Lost: contacts that never came, that the network or the search does not have, or that the tally has not counted, imports
//! without a notification, numbers of a subject that were left out. Doubled: contacts or documents too many, contacts that
//! the network has linked more than once (its events count up by contact), events that the tally has counted twice. Out of
//! order: events that the tally has handled after a later one of their subject.

use std::fmt;

use serde::Serialize;

/// What has flowed.
#[derive(Clone, Copy, Default)]
pub struct Expected {
    /// New contacts.
    pub contacts: usize,
    /// Files that were imported.
    pub imports: usize,
    /// Changes of contacts.
    pub changes: usize,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Ledger {
    /// Events of new contacts that were sent.
    pub events: usize,
    /// Effects that are missing.
    pub lost: i64,
    /// Effects that are there more than once.
    pub doubled: i64,
    /// Events that were handled after a later one of their subject.
    pub out_of_order: i64,
    /// How long it took after the trouble until all effects were there.
    pub seconds_to_settle: u64,
}

impl Ledger {
    /// Whether every effect is there once, and in order.
    pub fn is_clean(&self) -> bool {
        (self.lost, self.doubled, self.out_of_order) == (0, 0, 0)
    }

    /// Both together.
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
