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
mod settings;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use metrics::{counter, gauge, histogram};
use tokio::time::{Instant, sleep, timeout_at};
use tracing::{info, warn};
use uuid::Uuid;

pub use settings::PartnerSettings;

use self::{breaker::Breaker, budget::Budget};
use crate::{
    environment::Environment,
    failure::{Failure, StoreError},
    store::limits::{CallAdmission, Limit, SharedLimits},
};

/// How often to look for a free place: one may become free earlier than the store can predict.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The delay before the first retry of a call; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(100);

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

/// The result of one attempt.
enum Attempt<T> {
    HandlerResult(Result<T, Failure>),
    Away(String),
    NotMade(Failure),
}

impl Partner {
    /// A partner whose limits are kept in this store.
    pub fn new(name: &str, settings: PartnerSettings, limits: impl SharedLimits, environment: Environment) -> Self {
        let limit = settings.limit(name);
        let breaker = Mutex::new(Breaker::new(&settings));
        let budget = Mutex::new(Budget::new(settings.retry_share));
        Self { shared: Arc::new(Shared { limit, limits: Box::new(limits), settings, environment, breaker, budget }) }
    }

    /// Makes a call when its turn comes. If the partner is away and the budget allows, the call is retried, so it must
    /// be idempotent.
    ///
    /// # Errors
    /// The failure that the partner answered with; unavailable if the partner is away or the turn does not come in
    /// time.
    pub async fn call<T, Out>(&self, make: impl Fn() -> Out) -> Result<T, Failure>
    where
        Out: Future<Output = Result<T, Fault>>,
    {
        self.budget().earn();
        let (mut wait, mut again) = (FIRST_WAIT, self.shared.settings.attempts.saturating_sub(1));
        loop {
            let reason = match self.attempt(&make).await {
                Attempt::HandlerResult(answer) => return answer,
                Attempt::NotMade(failure) => return Err(failure),
                Attempt::Away(reason) => reason,
            };
            if again == 0 || !self.budget().spend() {
                return Err(self.unavailable(&reason));
            }
            again -= 1;
            counter!("partner_retries_total", "partner" => self.name()).increment(1);
            sleep(self.jittered(wait)).await;
            wait *= 2;
        }
    }

    async fn attempt<T, Out>(&self, make: impl Fn() -> Out) -> Attempt<T>
    where
        Out: Future<Output = Result<T, Fault>>,
    {
        if let Err(still) = self.breaker().let_through(Instant::now()) {
            self.count("not made: away");
            return Attempt::NotMade(self.unavailable(&format!("is called again in {} ms", still.as_millis())));
        }
        let (place, deadline) = match self.turn().await {
            Ok(turn) => turn,
            Err(failure) => {
                self.breaker().not_called(Instant::now());
                self.count("not made: no turn");
                return Attempt::NotMade(failure);
            }
        };
        let outcome = timeout_at(deadline, make()).await;
        place.leave().await;
        match outcome {
            Ok(Ok(answer)) => self.answered("done", Ok(answer)),
            Ok(Err(Fault::Answer(failure))) => self.answered("refused", Err(failure)),
            Ok(Err(Fault::Away(reason))) => self.away(reason),
            Err(_) => self.away(format!("did not answer within {} ms", self.shared.settings.call_timeout_ms)),
        }
    }

    /// Waits for the turn of a call. Returns its places and its deadline.
    async fn turn(&self) -> Result<(Places<'_>, Instant), Failure> {
        let Shared { limit, limits, settings, environment, .. } = &*self.shared;
        let call = environment.new_id();
        let came = Instant::now();
        let deadline = came + Duration::from_millis(settings.slot_timeout_ms);
        loop {
            // Taken before the store is asked: by the store's clock, the places are reserved for longer than the call
            // can last.
            let asked = Instant::now();
            let CallAdmission::After(wait) = limits.take_turn(limit, call).await? else {
                histogram!("partner_wait_seconds", "partner" => self.name()).record(came.elapsed().as_secs_f64());
                return Ok((Places { partner: self, call, are_left: false }, asked + limit.longest_call));
            };
            let wait = self.jittered(wait.clamp(Duration::from_millis(2), LOOK_AGAIN));
            if Instant::now() + wait > deadline {
                let reason = format!("has no room for another call: waited {} ms", settings.slot_timeout_ms);
                return Err(self.unavailable(&reason));
            }
            sleep(wait).await;
        }
    }

    fn answered<T>(&self, outcome: &'static str, answer: Result<T, Failure>) -> Attempt<T> {
        self.count(outcome);
        if self.breaker().answered() {
            gauge!("partner_breaker_open", "partner" => self.name()).set(0.0);
            info!(partner = self.name(), "the partner answers again");
        }
        Attempt::HandlerResult(answer)
    }

    fn away<T>(&self, reason: String) -> Attempt<T> {
        self.count("away");
        let jitter = self.shared.environment.fraction();
        if let Some(pause) = self.breaker().away(Instant::now(), jitter) {
            gauge!("partner_breaker_open", "partner" => self.name()).set(1.0);
            warn!(partner = self.name(), reason, pause_ms = pause.as_millis(), "the partner is away; calls are paused");
        }
        Attempt::Away(reason)
    }

    fn unavailable(&self, reason: &str) -> Failure {
        Failure::Retry(StoreError::unavailable(format!("{} {reason}", self.shared.limit.partner)))
    }

    fn count(&self, outcome: &'static str) {
        counter!("partner_calls_total", "partner" => self.name(), "outcome" => outcome).increment(1);
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

/// The places that a call holds.
struct Places<'a> {
    partner: &'a Partner,
    call: Uuid,
    are_left: bool,
}

impl Places<'_> {
    /// Frees the places for the next call. If the store does not answer, they are free when the call's time is over.
    async fn leave(mut self) {
        self.are_left = true;
        let Shared { limit, limits, .. } = &*self.partner.shared;
        if let Err(error) = limits.end_turn(limit, self.call).await {
            warn!(partner = limit.partner, %error, "failed to record the end of a call; its places are freed later");
        }
    }
}

impl Drop for Places<'_> {
    /// A call that is abandoned together with its handler has ended too.
    fn drop(&mut self) {
        if self.are_left {
            return;
        }
        let places = (self.partner.clone(), self.call);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let (partner, call) = places;
                Places { partner: &partner, call, are_left: false }.leave().await;
            });
        }
    }
}
