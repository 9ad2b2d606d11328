//! The selection of past events.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use events::Envelope;
use serde::{Deserialize, Serialize};

/// A selection of past events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// Events written at this time or later.
    pub from: DateTime<Utc>,
    /// Events written before this time.
    pub until: Option<DateTime<Utc>>,
    /// Events of these names; if empty, all events that the service consumes.
    pub names: BTreeSet<String>,
}

impl Range {
    /// All events written at a time or later.
    pub fn since(from: DateTime<Utc>) -> Self {
        Self { from, until: None, names: BTreeSet::new() }
    }

    /// Whether an event is selected.
    pub fn holds(&self, event: &Envelope) -> bool {
        event.time >= self.from
            && self.until.is_none_or(|until| event.time < until)
            && (self.names.is_empty() || self.names.contains(&event.name))
    }
}
