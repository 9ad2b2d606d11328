//! Logs of a repeated task: its first failure in a row, and its recovery.

use std::fmt::Display;

use tracing::{info, warn};

/// Whether a repeated task is failing.
pub(crate) struct Trouble {
    task: &'static str,
    is_failing: bool,
}

impl Trouble {
    /// The task, as the log names it: `counting waiting messages`.
    pub(crate) fn of(task: &'static str) -> Self {
        Self { task, is_failing: false }
    }

    /// Logs the first failure after a success, and the first success after failures.
    pub(crate) fn note<T, E: Display>(&mut self, outcome: &Result<T, E>) {
        let was_failing = std::mem::replace(&mut self.is_failing, outcome.is_err());
        match outcome {
            Err(error) if !was_failing => warn!(task = self.task, %error, "task failed; retrying"),
            Ok(_) if was_failing => info!(task = self.task, "task works again"),
            Ok(_) | Err(_) => {}
        }
    }
}
