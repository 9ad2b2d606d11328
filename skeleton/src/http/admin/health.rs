//! The health of a process.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::{CheckView, ReadyView};

/// The health of this process.
#[derive(Debug, Default)]
pub struct Health {
    started: AtomicBool,
    draining: AtomicBool,
    checks: Mutex<BTreeMap<String, Check>>,
}

/// The last result of a check: `Ok`, or why it fails.
pub type Finding = Result<(), String>;

#[derive(Debug)]
struct Check {
    required: bool,
    finding: watch::Receiver<Finding>,
}

impl Health {
    /// A process that has not started yet.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Marks the process as started.
    pub fn set_started(&self) {
        self.started.store(true, Ordering::Relaxed);
    }

    /// Marks the process as draining: it finishes its work and accepts no more.
    pub fn set_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Adds a check. It fails until its first finding is sent, and after its sender is dropped: that task ended
    /// unexpectedly.
    pub fn check(&self, name: &str, required: bool) -> watch::Sender<Finding> {
        let (sender, finding) = watch::channel(Err("not checked yet".to_owned()));
        let mut checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
        checks.insert(name.to_owned(), Check { required, finding });
        sender
    }

    /// Whether this process has started.
    pub fn is_started(&self) -> bool {
        self.started.load(Ordering::Relaxed)
    }

    /// Whether it is ready, and if not, why.
    pub fn ready(&self) -> ReadyView {
        let checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
        let checks: Vec<_> = checks.iter().map(|(name, check)| check.view(name)).collect();
        let status = if !self.is_started() {
            "starting"
        } else if self.draining.load(Ordering::Relaxed) {
            "draining"
        } else if checks.iter().any(|check| check.required && !check.ok) {
            "failing"
        } else {
            "ready"
        };
        ReadyView { status, checks }
    }
}

impl Check {
    fn view(&self, name: &str) -> CheckView {
        let finding = match self.finding.has_changed() {
            Ok(_) => self.finding.borrow().clone(),
            Err(_) => Err("the task that checks this has ended".to_owned()),
        };
        CheckView { name: name.to_owned(), ok: finding.is_ok(), required: self.required, reason: finding.err() }
    }
}
