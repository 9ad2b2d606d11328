//! Clock and chance, injected, so that everything built on them can be run again the same way.

use std::{future::Future, sync::Arc, time::Duration};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use events::TraceParent;
use futures::{
    FutureExt,
    future::{BoxFuture, Either, select},
};
use uuid::Uuid;

/// Tells the time, and lets it pass.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> DateTime<Utc>;

    /// How far it is ahead of the stores' clocks, on purpose: time that a test has let pass.
    fn ahead(&self) -> TimeDelta {
        TimeDelta::zero()
    }

    /// Lets so much time pass. A clock that only tells another time leaves this to the runtime's timer.
    fn sleep(&self, wait: Duration) -> BoxFuture<'static, ()> {
        tokio::time::sleep(wait).boxed()
    }
}

/// Where everything random comes from.
pub trait Rng: Send + Sync {
    /// The next 128 bits.
    fn next(&self) -> u128;
}

/// The clock and the chance that a service lives with.
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
    /// The machine's clock and the operating system's randomness.
    pub fn system() -> Self {
        Self::new(SystemClock, SystemRng)
    }

    /// A clock of one's own, and the operating system's randomness.
    pub fn with_clock(clock: impl Clock + 'static) -> Self {
        Self::new(clock, SystemRng)
    }

    /// A clock and a chance of one's own.
    pub fn new(clock: impl Clock + 'static, rng: impl Rng + 'static) -> Self {
        Self { clock: Arc::new(clock), rng: Arc::new(rng) }
    }

    /// Now.
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// A time of this clock as a store's clock shows it. The same time, but where a test has let time pass.
    pub(crate) fn by_the_stores_clock(&self, time: DateTime<Utc>) -> DateTime<Utc> {
        time - self.clock.ahead()
    }

    /// Lets so much time pass.
    pub fn sleep(&self, wait: Duration) -> BoxFuture<'static, ()> {
        self.clock.sleep(wait)
    }

    /// Waits for something, but no longer than this: `None` where it takes longer.
    pub async fn within<T>(&self, limit: Duration, waited_for: impl Future<Output = T>) -> Option<T> {
        let waited_for = std::pin::pin!(waited_for);
        match select(waited_for, self.sleep(limit)).await {
            Either::Left((answer, _)) => Some(answer),
            Either::Right(_) => None,
        }
    }

    /// A number from 0 up to, not including, 1.
    pub fn fraction(&self) -> f64 {
        // 53 bits are what a double holds exactly.
        (self.rng.next() >> 75) as f64 / (1u64 << 53) as f64
    }

    /// A random id (UUID version 4), safe to show to strangers.
    pub fn new_id(&self) -> Uuid {
        uuid::Builder::from_random_bytes(self.rng.next().to_be_bytes()).into_uuid()
    }

    /// A message's id (UUID version 7): near in time is near in an index.
    pub fn new_message_id(&self) -> Uuid {
        let millis = self.now().timestamp_millis().unsigned_abs();
        let bytes = self.rng.next().to_be_bytes();
        let mut random = [0; 10];
        random.copy_from_slice(&bytes[..10]);
        uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
    }

    /// The first step of a new trace.
    pub fn new_trace(&self) -> TraceParent {
        TraceParent { trace_id: self.rng.next().max(1), span_id: self.new_span(), sampled: true }
    }

    /// The next step of a trace, or the first of a new one.
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
