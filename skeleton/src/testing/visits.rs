//! The counting side of a fake partner: who was there when, and so how many at once and in any period.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Every visit so far. A clone counts along.
#[derive(Clone, Default)]
pub struct Visits {
    all: Arc<Mutex<Vec<Stay>>>,
}

/// When a visit began, and when it ended.
type Stay = (Instant, Option<Instant>);

/// A visit that goes on until it is dropped.
pub struct Visit {
    visits: Visits,
    number: usize,
}

impl Visits {
    /// Somebody has come.
    pub fn begin(&self) -> Visit {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.push((Instant::now(), None));
        Visit { visits: self.clone(), number: all.len() - 1 }
    }

    /// How many there were.
    pub fn count(&self) -> usize {
        self.noted().len()
    }

    /// How many were there at the same time, at most.
    pub fn most_at_once(&self) -> usize {
        let visits = self.noted();
        // The most are there when somebody comes.
        let there_at = |moment: Instant| {
            visits.iter().filter(|(begin, end)| *begin <= moment && end.is_none_or(|end| end > moment)).count()
        };
        visits.iter().map(|(begin, _)| there_at(*begin)).max().unwrap_or(0)
    }

    /// How many have come within any stretch of time of this length, at most.
    pub fn most_within(&self, period: Duration) -> usize {
        let begins: Vec<Instant> = self.noted().iter().map(|(begin, _)| *begin).collect();
        let after = |first: Instant| begins.iter().filter(|begin| **begin >= first && **begin < first + period).count();
        begins.iter().map(|begin| after(*begin)).max().unwrap_or(0)
    }

    fn noted(&self) -> Vec<(Instant, Option<Instant>)> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.visits.all.lock().unwrap_or_else(PoisonError::into_inner)[self.number].1 = Some(Instant::now());
    }
}
