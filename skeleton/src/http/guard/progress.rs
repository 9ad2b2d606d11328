//! The progress of reading a body.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

/// Why a body was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum Fault {
    TooLarge,
    TooSlow,
}

/// The progress of reading a body, shared with the code that waits for the handler.
#[derive(Clone, Debug)]
pub(in crate::http) struct BodyProgress(Arc<Mutex<Progress>>);

#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    pub(super) last: Instant,
    pub(super) waiting: bool,
    pub(super) fault: Option<Fault>,
}

impl BodyProgress {
    pub(in crate::http) fn begin() -> Self {
        Self(Arc::new(Mutex::new(Progress { last: Instant::now(), waiting: false, fault: None })))
    }

    /// When the body last progressed, or when the request began.
    pub(in crate::http) fn last(&self) -> Instant {
        self.get().last
    }

    /// Whether a handler is waiting for the caller to send more.
    pub(in crate::http) fn is_waiting(&self) -> bool {
        self.get().waiting
    }

    pub(in crate::http) fn fault(&self) -> Option<Fault> {
        self.get().fault
    }

    fn get(&self) -> Progress {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set(&self, change: impl FnOnce(&mut Progress)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
