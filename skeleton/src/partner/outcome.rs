//! The result of an attempt, and its effect on the breaker.

use metrics::{counter, gauge};
use tokio::time::Instant;
use tracing::{info, warn};

use super::Partner;
use crate::failure::Failure;

/// The result of one attempt.
pub(super) enum Attempt<T> {
    HandlerResult(Result<T, Failure>),
    Away(String),
    NotMade(Failure),
}

impl Partner {
    pub(super) fn answered<T>(&self, outcome: &'static str, answer: Result<T, Failure>) -> Attempt<T> {
        self.count(outcome);
        if self.breaker().answered() {
            gauge!("partner_breaker_open", "partner" => self.name()).set(0.0);
            info!(partner = self.name(), "the partner answers again");
        }
        Attempt::HandlerResult(answer)
    }

    pub(super) fn away<T>(&self, reason: String) -> Attempt<T> {
        self.count("away");
        let jitter = self.shared.environment.fraction();
        if let Some(pause) = self.breaker().away(Instant::now(), jitter) {
            gauge!("partner_breaker_open", "partner" => self.name()).set(1.0);
            warn!(partner = self.name(), reason, pause_ms = pause.as_millis(), "the partner is away; calls are paused");
        }
        Attempt::Away(reason)
    }

    pub(super) fn count(&self, outcome: &'static str) {
        counter!("partner_calls_total", "partner" => self.name(), "outcome" => outcome).increment(1);
    }
}
