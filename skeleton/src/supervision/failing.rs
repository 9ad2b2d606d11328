//! The failing tasks.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use metrics::gauge;
use tokio::sync::watch;

/// The failing tasks. Clones share their state.
#[derive(Clone, Debug)]
pub(crate) struct Failing {
    parts: Arc<Mutex<BTreeSet<Part>>>,
    finding: Arc<watch::Sender<Result<(), String>>>,
}

impl Failing {
    /// Shows the failing tasks in a check of the process's health.
    pub(crate) fn shown_by(finding: watch::Sender<Result<(), String>>) -> Self {
        drop(finding.send_replace(Ok(())));
        Self { parts: Arc::default(), finding: Arc::new(finding) }
    }

    pub(super) fn set(&self, part: Part, is_failing: bool) {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        let has_changed = if is_failing { parts.insert(part) } else { parts.remove(&part) };
        if has_changed {
            gauge!("parts_failing", "part" => part.name).increment(if is_failing { 1.0 } else { -1.0 });
            let names: BTreeSet<_> = parts.iter().map(|part| part.name).collect();
            let names = names.into_iter().collect::<Vec<_>>().join(", ");
            let finding = if names.is_empty() { Ok(()) } else { Err(format!("failing repeatedly: {names}")) };
            drop(self.finding.send_replace(finding));
        }
    }
}

impl Default for Failing {
    /// Shown by the metric `parts_failing` alone.
    fn default() -> Self {
        Self::shown_by(watch::Sender::new(Ok(())))
    }
}

/// A supervised task. Several may have one name: each queue has its retries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Part {
    name: &'static str,
    number: u64,
}

impl Part {
    pub(super) fn new(name: &'static str) -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        // The metric exists before the first failure.
        gauge!("parts_failing", "part" => name).increment(0.0);
        Self { name, number: LAST.fetch_add(1, Relaxed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_tasks_of_one_name_the_one_that_recovers_does_not_hide_the_other() {
        let failing = Failing::default();
        let found = failing.finding.subscribe();
        let (one, other) = (Part::new("retries"), Part::new("retries"));
        failing.set(one, true);
        failing.set(other, true);

        failing.set(one, false);

        assert_eq!(*found.borrow(), Err("failing repeatedly: retries".to_owned()));
        failing.set(other, false);
        assert_eq!(*found.borrow(), Ok(()));
    }
}
