//! What may go over what: events by their number, and a snapshot over the event it came of.

/// How new something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Newness {
    /// The number of the newest event about it.
    pub sequence: i64,
    is_snapshot: bool,
}

impl Newness {
    /// What an event says.
    pub fn event(sequence: i64) -> Self {
        Self { sequence, is_snapshot: false }
    }

    /// What the owner says on being asked: the state after an event of this number.
    pub fn snapshot(sequence: i64) -> Self {
        Self { sequence, is_snapshot: true }
    }

    /// The number from which on what is known is at least as new.
    pub fn outdone_by(self) -> i64 {
        self.sequence + i64::from(self.is_snapshot)
    }
}
