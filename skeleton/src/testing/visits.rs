//! The counting side of a fake partner: records visits, to count those at one moment and in any period.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// All visits so far. Clones share them.
#[derive(Clone, Default)]
pub struct Visits {
    all: Arc<Mutex<Vec<Stay>>>,
}

/// When a visit began, and when it ended.
type Stay = (Instant, Option<Instant>);

/// A visit; it ends when dropped.
pub struct Visit {
    visits: Visits,
    number: usize,
}

impl Visits {
    /// Begins a visit.
    pub fn begin(&self) -> Visit {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.push((Instant::now(), None));
        Visit { visits: self.clone(), number: all.len() - 1 }
    }

    /// The number of visits.
    pub fn count(&self) -> usize {
        self.noted().len()
    }

    /// The most concurrent visits.
    pub fn most_at_once(&self) -> usize {
        let visits = self.noted();
        // The maximum is reached at the start of a visit.
        let there_at = |moment: Instant| {
            visits.iter().filter(|(begin, end)| *begin <= moment && end.is_none_or(|end| end > moment)).count()
        };
        visits.iter().map(|(begin, _)| there_at(*begin)).max().unwrap_or(0)
    }

    /// The most visits that began within any period of this length.
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
