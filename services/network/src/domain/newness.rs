//! Versions: which state may replace which. An event replaces lower sequences; a snapshot also replaces its own
//! sequence.

/// The version of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Newness {
    /// The sequence of the newest event that it includes.
    pub sequence: i64,
    is_snapshot: bool,
}

impl Newness {
    /// The version of an event.
    pub fn event(sequence: i64) -> Self {
        Self { sequence, is_snapshot: false }
    }

    /// The version of a snapshot: the state after the event with this sequence.
    pub fn snapshot(sequence: i64) -> Self {
        Self { sequence, is_snapshot: true }
    }

    /// Whether it is that of an event.
    pub fn is_event(self) -> bool {
        !self.is_snapshot
    }

    /// The lowest stored sequence that is at least as new.
    pub fn outdone_by(self) -> i64 {
        self.sequence + i64::from(self.is_snapshot)
    }
}
