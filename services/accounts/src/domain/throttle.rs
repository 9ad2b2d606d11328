//! How often a wrong password is put up with.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use skeleton::Problem;

/// How many failures an address may have in a window of time.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Throttle {
    failures: i32,
    window_s: u32,
}

/// The failures of an address since its window began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failures {
    /// How many.
    pub count: i32,
    /// When the first of them was.
    pub since: DateTime<Utc>,
}

impl Throttle {
    /// As the settings say it.
    pub fn new(failures: i32, window_s: u32) -> Self {
        Self { failures, window_s }
    }

    /// How long failures count.
    pub fn window(&self) -> TimeDelta {
        TimeDelta::seconds(self.window_s.into())
    }

    /// Lets another attempt pass, or says when to come again.
    ///
    /// # Errors
    /// 429 where there were too many failures in the window.
    pub fn check(&self, failures: Failures, now: DateTime<Utc>) -> Result<(), Problem> {
        let left = failures.since + self.window() - now;
        if failures.count < self.failures || left <= TimeDelta::zero() {
            return Ok(());
        }
        let wait = left.num_seconds().unsigned_abs() + 1;
        let problem = Problem::new(
            429,
            "too-many-attempts",
            "too many wrong passwords for this e-mail address: wait before you try again",
        );
        Err(Problem { retry_after: Some(wait), ..problem })
    }
}
