//! The limit on wrong passwords.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use skeleton::Problem;

/// The number of failures that an address may have per window.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Throttle {
    failures: i32,
    window_s: u32,
}

/// The failures of an address in its current window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failures {
    /// The number of failures.
    pub count: i32,
    /// When the first of them happened.
    pub since: DateTime<Utc>,
}

impl Throttle {
    /// Builds the limit from the settings.
    pub fn new(failures: i32, window_s: u32) -> Self {
        Self { failures, window_s }
    }

    /// How long failures count.
    pub fn window(&self) -> TimeDelta {
        TimeDelta::seconds(self.window_s.into())
    }

    /// Checks whether another attempt is allowed.
    ///
    /// # Errors
    /// 429 with the time to wait, if there were too many failures in the window.
    pub fn check(&self, failures: Failures, now: DateTime<Utc>) -> Result<(), Problem> {
        let left = failures.since + self.window() - now;
        if failures.count < self.failures || left <= TimeDelta::zero() {
            return Ok(());
        }
        let wait = left.num_seconds().unsigned_abs() + 1;
        let problem = Problem::new(
            429,
            "too-many-attempts",
            "too many wrong passwords for this e-mail address: wait a while, then try again",
        );
        Err(Problem { retry_after: Some(wait), ..problem })
    }
}
