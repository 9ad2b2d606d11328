//! Calls of external systems: within their limits over all replicas, and none while they are away.
//!
//! A [`Partner`] wraps any client. The partner never sees more calls in a period, nor more concurrent calls, than the
//! settings allow, from all replicas together (see [`limits`](crate::store::limits)). A call that finds the partner
//! away is retried within a budget. After several such calls in a row, no call is made for a while (a circuit breaker).
//! A call that cannot be made fails as unavailable. The message being handled is not at fault, so no attempt is
//! counted.
//!
//! All replicas share the limit. Each replica has its own budget and breaker.

mod breaker;
mod budget;
mod call;
mod outcome;
mod settings;
mod turn;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

pub use settings::PartnerSettings;

use self::{breaker::Breaker, budget::Budget};
use crate::{
    environment::Environment,
    failure::{Failure, StoreError},
    store::limits::{Limit, SharedLimits},
};

/// An external system that is called within limits. A clone is the same partner.
#[derive(Clone)]
pub struct Partner {
    shared: Arc<Shared>,
}

struct Shared {
    limit: Limit,
    limits: Box<dyn SharedLimits>,
    settings: PartnerSettings,
    environment: Environment,
    breaker: Mutex<Breaker>,
    budget: Mutex<Budget>,
}

/// Why a call failed.
#[derive(Debug)]
pub enum Fault {
    /// The partner did not answer, or accepts no calls at the moment: any other call would fail too.
    Away(String),
    /// The partner has answered. The failure concerns this call alone.
    Answer(Failure),
}

impl Partner {
    /// A partner whose limits are kept in this store.
    pub fn new(name: &str, settings: PartnerSettings, limits: impl SharedLimits, environment: Environment) -> Self {
        let limit = settings.limit(name);
        let breaker = Mutex::new(Breaker::new(&settings));
        let budget = Mutex::new(Budget::new(settings.retry_share));
        Self { shared: Arc::new(Shared { limit, limits: Box::new(limits), settings, environment, breaker, budget }) }
    }

    fn unavailable(&self, reason: &str) -> Failure {
        Failure::Retry(StoreError::unavailable(format!("{} {reason}", self.shared.limit.partner)))
    }

    /// Jitter: half to all of a wait, so that replicas do not act at the same moment.
    fn jittered(&self, wait: Duration) -> Duration {
        wait.mul_f64(0.5 + self.shared.environment.fraction() / 2.0)
    }

    fn name(&self) -> String {
        self.shared.limit.partner.clone()
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.shared.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn budget(&self) -> MutexGuard<'_, Budget> {
        self.shared.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
