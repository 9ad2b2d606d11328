//! The failing tasks.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use metrics::gauge;
use tokio::sync::watch;

/// The failing tasks. Clones share their state.
#[derive(Clone, Debug)]
pub(crate) struct Failing {
    parts: Arc<Mutex<BTreeSet<&'static str>>>,
    finding: Arc<watch::Sender<Result<(), String>>>,
}

impl Failing {
    /// Shows the failing tasks in a check of the process's health.
    pub(crate) fn shown_by(finding: watch::Sender<Result<(), String>>) -> Self {
        drop(finding.send_replace(Ok(())));
        Self { parts: Arc::default(), finding: Arc::new(finding) }
    }

    pub(super) fn set(&self, part: &'static str, is_failing: bool) {
        gauge!("parts_failing", "part" => part).set(f64::from(u8::from(is_failing)));
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        let has_changed = if is_failing { parts.insert(part) } else { parts.remove(part) };
        if has_changed {
            let names = parts.iter().copied().collect::<Vec<_>>().join(", ");
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
