//! Rate limits per address and per account.

use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota};
use serde::Deserialize;
use uuid::Uuid;
use warp::{Filter, Rejection};

use super::ClientAddress;
use crate::failure::Problem;

/// After this many checks, idle entries are removed.
const CHECKS_BETWEEN_CLEANINGS: u64 = 4_096;
/// With more addresses than this at once, whole networks are counted instead.
const MANY: usize = 100_000;

/// Rate limits per address and per account.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RateSettings {
    /// Requests per minute from one address (IPv6: one /64 network).
    pub per_address_per_minute: NonZeroU32,
    /// Requests per minute for one account.
    pub per_account_per_minute: NonZeroU32,
    /// How many of them may arrive at once.
    pub burst: NonZeroU32,
}

impl Default for RateSettings {
    fn default() -> Self {
        let (per_minute, burst) =
            const { (NonZeroU32::new(600).expect("is not zero"), NonZeroU32::new(100).expect("is not zero")) };
        Self { per_address_per_minute: per_minute, per_account_per_minute: per_minute, burst }
    }
}

/// Counts requests and refuses excess ones. Each replica counts for itself.
#[derive(Debug)]
pub struct RateLimits {
    addresses: Counter<IpAddr>,
    accounts: Counter<Uuid>,
}

impl RateLimits {
    /// A limiter with no requests counted yet.
    pub fn new(settings: &RateSettings) -> Self {
        Self {
            addresses: Counter::new(settings.per_address_per_minute, settings.burst),
            accounts: Counter::new(settings.per_account_per_minute, settings.burst),
        }
    }

    /// Counts a request from an address.
    pub fn check_address(&self, address: IpAddr) -> Result<(), Problem> {
        let crowded = self.addresses.crowded.load(Ordering::Relaxed);
        self.addresses.check(&network_of(address, crowded))
    }

    /// Counts a request for an account.
    pub fn check_account(&self, account: Uuid) -> Result<(), Problem> {
        self.accounts.check(&account)
    }
}

/// Refuses requests from an address that exceeds its rate. Put it once, before all routes.
pub fn limited_by_address(limits: Arc<RateLimits>) -> impl Filter<Extract = (), Error = Rejection> + Clone {
    super::client_address()
        .and_then(move |ClientAddress(address)| {
            let passed = limits.check_address(address).map_err(warp::reject::custom);
            async move { passed }
        })
        .untuple_one()
}

#[derive(Debug)]
struct Counter<K: Hash + Eq + Clone> {
    limiter: DefaultKeyedRateLimiter<K>,
    clock: DefaultClock,
    checks: AtomicU64,
    crowded: AtomicBool,
}

impl<K: Hash + Eq + Clone> Counter<K> {
    fn new(per_minute: NonZeroU32, burst: NonZeroU32) -> Self {
        Self {
            limiter: DefaultKeyedRateLimiter::keyed(Quota::per_minute(per_minute).allow_burst(burst)),
            clock: DefaultClock::default(),
            checks: AtomicU64::new(0),
            crowded: AtomicBool::new(false),
        }
    }

    fn check(&self, key: &K) -> Result<(), Problem> {
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

/// What is counted as one address: an IPv6 user can choose any address of a whole /64.
fn network_of(address: IpAddr, crowded: bool) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) if crowded => Ipv4Addr::from_bits(address.to_bits() & !0xffff).into(),
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << if crowded { 96 } else { 64 })).into()
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails on anything unexpected")]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_network_counts_as_one_and_a_mapped_address_as_ipv4() {
        let network = |address: &str, crowded| network_of(address.parse().unwrap(), crowded).to_string();

        assert_eq!(network("2001:db8:1:2:3:4:5:6", false), "2001:db8:1:2::");
        assert_eq!(network("2001:db8:1:2:3:4:5:6", true), "2001:db8::");
        assert_eq!(network("::ffff:192.0.2.7", false), "192.0.2.7");
        assert_eq!(network("192.0.2.7", true), "192.0.0.0");
    }

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
