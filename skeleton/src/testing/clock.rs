//! A clock that a test sets.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use chrono::{DateTime, TimeDelta, Utc};

use super::eventually;
use crate::surroundings::{Clock, Surroundings};

/// A clock that stands still until the test moves it, shared by all who have a clone.
#[derive(Clone)]
pub struct TestClock {
    now: Arc<Mutex<DateTime<Utc>>>,
    readings: Arc<AtomicU64>,
}

impl TestClock {
    /// A clock that shows this time.
    ///
    /// # Panics
    /// Where the text is no time like `2026-11-02T07:00:00Z`.
    pub fn at(time: &str) -> Self {
        let now = time.parse().unwrap_or_else(|error| panic!("{time}: {error}"));
        Self { now: Arc::new(Mutex::new(now)), readings: Arc::default() }
    }

    /// Moves it, forward or back.
    pub fn jump(&self, by: TimeDelta) {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) += by;
    }

    /// Waits until it was looked at so many times since now.
    pub async fn was_read(&self, times: u64) {
        let begin = self.readings.load(Ordering::Relaxed);
        eventually("a look at the clock", async || match self.readings.load(Ordering::Relaxed) - begin {
            seen if seen >= times => Ok(()),
            seen => Err(format!("{seen} looks")),
        })
        .await;
    }

    /// Surroundings with this clock.
    pub fn surroundings(&self) -> Surroundings {
        Surroundings::with_clock(self.clone())
    }
}

impl Clock for TestClock {
    fn now(&self) -> DateTime<Utc> {
        self.readings.fetch_add(1, Ordering::Relaxed);
        *self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
