//! Calls of outside systems: as many as they allow, all replicas together, and none while they are away.
//!
//! A [`Partner`] stands before any client. It promises that the partner never sees more calls in a period, nor more at
//! the same time, than the settings say, whichever replica makes them (see [`limits`](crate::store::limits)). A call
//! that finds the partner away is made again, but only within a budget; after several in a row no call is made for a
//! while (a circuit breaker). What cannot be called then fails as unavailable: nothing is wrong with the message that
//! is handled, so its attempts are not counted.
//!
//! The limit is shared by all replicas. Budget and breaker are each replica's own: each sees for itself.

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

/// A place may become free earlier than the store can know: it is looked for this often.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The wait before a call is made again; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// An outside system, called within limits. A clone is the same partner.
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

/// Why a call came to nothing.
#[derive(Debug)]
pub enum Fault {
    /// The partner did not answer, or takes no calls just now: another call would fare no better.
    Away(String),
    /// The partner has answered. What it said concerns this call alone.
    Answer(Failure),
}

/// How far a call came.
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

    /// Makes a call when it is its turn. Where the partner is away the call is made again, if the budget allows: it
    /// must bear being made twice.
    ///
    /// # Errors
    /// What the partner has answered; unavailable where it is away, or the call's turn does not come in time.
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

    /// Waits for the turn of a call. Returns its places and when it must be over.
    async fn turn(&self) -> Result<(Places<'_>, Instant), Failure> {
        let Shared { limit, limits, settings, environment, .. } = &*self.shared;
        let call = environment.new_id();
        let came = Instant::now();
        let patience = came + Duration::from_millis(settings.patience_ms);
        loop {
            // From before the store was asked: by its clock the places are ours for longer than the call can last.
            let asked = Instant::now();
            let CallAdmission::After(wait) = limits.take_turn(limit, call).await? else {
                histogram!("partner_wait_seconds", "partner" => self.name()).record(came.elapsed().as_secs_f64());
                return Ok((Places { partner: self, call, are_left: false }, asked + limit.longest_call));
            };
            let wait = self.jittered(wait.clamp(Duration::from_millis(2), LOOK_AGAIN));
            if Instant::now() + wait > patience {
                let reason = format!("has no room for another call: waited {} ms", settings.patience_ms);
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
            warn!(partner = self.name(), reason, pause_ms = pause.as_millis(), "the partner is away: it is not called");
        }
        Attempt::Away(reason)
    }

    fn unavailable(&self, reason: &str) -> Failure {
        Failure::Retry(StoreError::unavailable(format!("{} {reason}", self.shared.limit.partner)))
    }

    fn count(&self, outcome: &'static str) {
        counter!("partner_calls_total", "partner" => self.name(), "outcome" => outcome).increment(1);
    }

    /// Anything from half of a wait to its whole: replicas do not come together.
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

/// The places of a call.
struct Places<'a> {
    partner: &'a Partner,
    call: Uuid,
    are_left: bool,
}

impl Places<'_> {
    /// Leaves them, for the next call. Where the store cannot be told, they are free when the call's time is over.
    async fn leave(mut self) {
        self.are_left = true;
        let Shared { limit, limits, .. } = &*self.partner.shared;
        if let Err(error) = limits.end_turn(limit, self.call).await {
            warn!(partner = limit.partner, %error, "the end of a call cannot be noted: its places are free later");
        }
    }
}

impl Drop for Places<'_> {
    /// A call that is given up, because its handler is, has ended as well.
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
