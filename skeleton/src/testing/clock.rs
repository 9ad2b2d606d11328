//! A clock that a test sets.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

use super::eventually;
use crate::environment::{Clock, Environment};

/// A clock that the test moves, shared by all its clones.
#[derive(Clone)]
pub struct TestClock {
    time: Arc<Mutex<Time>>,
    readings: Arc<AtomicU64>,
}

enum Time {
    /// Fixed until it is moved. Stores keep their own time.
    Standing(DateTime<Utc>),
    /// Runs, ahead of the machine's clock by this much.
    Running(TimeDelta),
}

impl TestClock {
    /// A clock fixed at this time. Due times by a store's clock do not follow it.
    ///
    /// # Panics
    /// If the text is not a time like `2026-11-02T07:00:00Z`.
    pub fn at(time: &str) -> Self {
        Self::showing(Time::Standing(parsed(time)))
    }

    /// A clock that runs from now on. [`super::TestApp::advance`] moves it together with the waits in the stores.
    pub fn running() -> Self {
        Self::showing(Time::Running(TimeDelta::zero()))
    }

    /// The same, from this time on.
    ///
    /// # Panics
    /// If the text is not a time like `2026-11-02T07:00:00Z`.
    pub fn running_from(time: &str) -> Self {
        Self::showing(Time::Running(parsed(time) - Utc::now()))
    }

    fn showing(time: Time) -> Self {
        Self { time: Arc::new(Mutex::new(time)), readings: Arc::default() }
    }

    /// Moves it, forward or back.
    pub fn jump(&self, by: TimeDelta) {
        match &mut *self.time.lock().unwrap_or_else(PoisonError::into_inner) {
            Time::Standing(now) => *now += by,
            Time::Running(ahead) => *ahead += by,
        }
    }

    /// Waits until it has been read this many times since the call.
    pub async fn was_read(&self, times: u64) {
        let begin = self.readings.load(Ordering::Relaxed);
        eventually("a reading of the clock", async || match self.readings.load(Ordering::Relaxed) - begin {
            seen if seen >= times => Ok(()),
            seen => Err(format!("{seen} readings")),
        })
        .await;
    }

    /// An environment with this clock.
    pub fn environment(&self) -> Environment {
        Environment::with_clock(self.clone())
    }
}

fn parsed(time: &str) -> DateTime<Utc> {
    time.parse().unwrap_or_else(|error| panic!("{time}: {error}"))
}

impl Clock for TestClock {
    fn now(&self) -> DateTime<Utc> {
        self.readings.fetch_add(1, Ordering::Relaxed);
        match &*self.time.lock().unwrap_or_else(PoisonError::into_inner) {
            Time::Standing(now) => *now,
            Time::Running(ahead) => Utc::now().trunc_subsecs(6) + *ahead,
        }
    }

    fn ahead(&self) -> TimeDelta {
        match &*self.time.lock().unwrap_or_else(PoisonError::into_inner) {
            Time::Standing(_) => TimeDelta::zero(),
            Time::Running(ahead) => *ahead,
        }
    }
}
