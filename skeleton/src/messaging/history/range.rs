//! The selection of past events.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
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

/// A text that is not a time.
#[derive(Debug, thiserror::Error)]
#[error("write a time as 2026-11-01T09:30:00Z, or a day as 2026-11-01")]
pub struct RangeError;

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

    /// Parses a time of RFC 3339, or a day: its beginning in UTC.
    ///
    /// # Errors
    /// If it is neither.
    pub fn time(text: &str) -> Result<DateTime<Utc>, RangeError> {
        let day = || text.parse::<NaiveDate>().map(|day| day.and_time(NaiveTime::MIN).and_utc());
        DateTime::parse_from_rfc3339(text).map(|time| time.to_utc()).or_else(|_| day()).map_err(|_| RangeError)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_its_beginning_and_a_time_keeps_its_zone() {
        assert_eq!(Range::time("2026-11-01").unwrap(), Range::time("2026-11-01T01:00:00+01:00").unwrap());
        assert!(Range::time("yesterday").is_err());
    }
}
