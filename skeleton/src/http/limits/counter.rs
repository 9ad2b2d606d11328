//! Counts the requests of each key.

use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota};

use crate::failure::Problem;

/// After this many checks, idle entries are removed.
const CHECKS_BETWEEN_CLEANINGS: u64 = 4_096;
/// With more addresses than this at once, whole networks are counted instead.
const MANY: usize = 100_000;

#[derive(Debug)]
pub(super) struct Counter<K: Hash + Eq + Clone> {
    limiter: DefaultKeyedRateLimiter<K>,
    clock: DefaultClock,
    checks: AtomicU64,
    pub(super) crowded: AtomicBool,
}

impl<K: Hash + Eq + Clone> Counter<K> {
    pub(super) fn new(per_minute: NonZeroU32, burst: NonZeroU32) -> Self {
        Self {
            limiter: DefaultKeyedRateLimiter::keyed(Quota::per_minute(per_minute).allow_burst(burst)),
            clock: DefaultClock::default(),
            checks: AtomicU64::new(0),
            crowded: AtomicBool::new(false),
        }
    }

    pub(super) fn check(&self, key: &K) -> Result<(), Problem> {
        if self.checks.fetch_add(1, Ordering::Relaxed) % CHECKS_BETWEEN_CLEANINGS == CHECKS_BETWEEN_CLEANINGS - 1 {
            self.forget_the_quiet();
        }
        self.limiter.check_key(key).map_err(|refused| {
            let wait = refused.wait_time_from(self.clock.now());
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            let problem = Problem::new(429, "too-many-requests", "too many requests: wait a moment, then send fewer");
            Problem { retry_after: Some(seconds.max(1)), ..problem }
        })
    }

    fn forget_the_quiet(&self) {
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
        self.crowded.store(self.limiter.len() > MANY, Ordering::Relaxed);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails on anything unexpected")]
mod tests {
    use std::net::Ipv4Addr;

    use super::super::{RateLimits, RateSettings};
    use super::*;

    #[test]
    fn those_who_are_quiet_are_forgotten() {
        let settings =
            RateSettings { per_address_per_minute: NonZeroU32::new(60_000_000).unwrap(), ..RateSettings::default() };
        let limits = RateLimits::new(&settings);

        for number in 0..200_000_u32 {
            limits.check_address(Ipv4Addr::from_bits(number).into()).unwrap();
        }

        assert!(limits.addresses.limiter.len() <= 2 * CHECKS_BETWEEN_CLEANINGS as usize);
    }
}
