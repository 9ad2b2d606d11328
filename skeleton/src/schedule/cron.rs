//! When a schedule is due: a cron expression in a time zone.
//!
//! On days when the clocks of a zone change, an expression with fixed hours and minutes is due once: in an hour that
//! occurs twice, the first time; in a skipped hour, right after it. One with `*` or steps follows the wall clock.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use croner::Cron;

/// When a schedule is due.
#[derive(Clone, Debug)]
pub struct CronSchedule {
    cron: Cron,
    zone: Tz,
}

impl CronSchedule {
    /// Reads a cron expression of five fields, or six with seconds first.
    ///
    /// # Errors
    /// If the expression is invalid, or names a time that never comes.
    pub fn parse(expression: &str, zone: Tz) -> Result<Self, String> {
        let cron = Cron::from_str(expression)
            .map_err(|error| format!("{expression} is not a cron expression ({error}): write one like 0 8 * * MON"))?;
        let rhythm = Self { cron, zone };
        // Any start will do: leap days occur within eight years.
        match rhythm.next_after(DateTime::UNIX_EPOCH) {
            Some(_) => Ok(rhythm),
            None => Err(format!("{expression} is never due")),
        }
    }

    /// The first due time after a time.
    pub fn next_after(&self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let found = self.cron.find_next_occurrence(&at.with_timezone(&self.zone), false).ok()?;
        Some(found.with_timezone(&Utc))
    }

    /// The due times after one time and up to another: the newest `most` of them, oldest first.
    pub fn between(&self, after: DateTime<Utc>, until: DateTime<Utc>, most: usize) -> Vec<DateTime<Utc>> {
        let mut found = Vec::new();
        let (mut at, mut inclusive) = (until.with_timezone(&self.zone), true);
        while found.len() < most {
            let Ok(due) = self.cron.find_previous_occurrence(&at, inclusive) else { break };
            if due <= after {
                break;
            }
            found.push(due.with_timezone(&Utc));
            (at, inclusive) = (due, false);
        }
        found.reverse();
        found
    }

    /// The expression and the zone, as the store keeps them. When they change, earlier due times count as settled.
    pub fn to_text(&self) -> String {
        format!("{} {}", self.cron.as_str(), self.zone)
    }
}
