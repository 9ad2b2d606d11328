//! Clock and random number generator, injected so that a run can be repeated exactly.

use std::{future::Future, sync::Arc, time::Duration};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use events::TraceParent;
use futures::{
    FutureExt,
    future::{BoxFuture, Either, select},
};
use uuid::Uuid;

/// A source of time and of sleep.
pub trait Clock: Send + Sync {
    /// The current time.
    fn now(&self) -> DateTime<Utc>;

    /// How far this clock is ahead of the stores' clocks on purpose: the time that a test has skipped.
    fn ahead(&self) -> TimeDelta {
        TimeDelta::zero()
    }

    /// Waits for this long. A clock that only shows another time leaves this to the runtime's timer.
    fn sleep(&self, wait: Duration) -> BoxFuture<'static, ()> {
        tokio::time::sleep(wait).boxed()
    }
}

/// The source of randomness.
pub trait Rng: Send + Sync {
    /// The next 128 random bits.
    fn next(&self) -> u128;
}

/// The clock and the random number generator of a service.
#[derive(Clone)]
pub struct Environment {
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
}

struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        // Stores keep microseconds: a time must compare equal after a round trip.
        Utc::now().trunc_subsecs(6)
    }
}

struct SystemRng;

impl Rng for SystemRng {
    fn next(&self) -> u128 {
        rand::random()
    }
}

impl Environment {
    /// The system clock and the operating system's randomness.
    pub fn system() -> Self {
        Self::new(SystemClock, SystemRng)
    }

    /// The given clock, and the operating system's randomness.
    pub fn with_clock(clock: impl Clock + 'static) -> Self {
        Self::new(clock, SystemRng)
    }

    /// The given clock and random number generator.
    pub fn new(clock: impl Clock + 'static, rng: impl Rng + 'static) -> Self {
        Self { clock: Arc::new(clock), rng: Arc::new(rng) }
    }

    /// The current time.
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Converts a time of this clock to a store's clock. They differ only if a test has skipped time.
    pub(crate) fn by_the_stores_clock(&self, time: DateTime<Utc>) -> DateTime<Utc> {
        time - self.clock.ahead()
    }

    /// Waits for this long.
    pub fn sleep(&self, wait: Duration) -> BoxFuture<'static, ()> {
        self.clock.sleep(wait)
    }

    /// Waits for a future up to a limit: `None` if it takes longer.
    pub async fn within<T>(&self, limit: Duration, waited_for: impl Future<Output = T>) -> Option<T> {
        let waited_for = std::pin::pin!(waited_for);
        match select(waited_for, self.sleep(limit)).await {
            Either::Left((answer, _)) => Some(answer),
            Either::Right(_) => None,
        }
    }

    /// A random number in `0.0..1.0`.
    pub fn fraction(&self) -> f64 {
        // A double holds exactly 53 bits.
        (self.rng.next() >> 75) as f64 / (1u64 << 53) as f64
    }

    /// A random id (UUID version 4), safe to expose.
    pub fn new_id(&self) -> Uuid {
        uuid::Builder::from_random_bytes(self.rng.next().to_be_bytes()).into_uuid()
    }

    /// A message id (UUID version 7): ids created close in time are close in an index.
    pub fn new_message_id(&self) -> Uuid {
        let millis = self.now().timestamp_millis().unsigned_abs();
        let bytes = self.rng.next().to_be_bytes();
        let mut random = [0; 10];
        random.copy_from_slice(&bytes[..10]);
        uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
    }

    /// The root span of a new trace.
    pub fn new_trace(&self) -> TraceParent {
        TraceParent { trace_id: self.rng.next().max(1), span_id: self.new_span(), sampled: true }
    }

    /// A child span of a trace, or the root span of a new one.
    pub fn child_of(&self, parent: Option<TraceParent>) -> TraceParent {
        match parent {
            Some(parent) => TraceParent { span_id: self.new_span(), ..parent },
            None => self.new_trace(),
        }
    }

    fn new_span(&self) -> u64 {
        ((self.rng.next() >> 64) as u64).max(1)
    }
}
