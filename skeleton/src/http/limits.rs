//! Rate limits per address and per account.

mod counter;
mod network;

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde::Deserialize;
use uuid::Uuid;
use warp::{Filter, Rejection};

use self::{counter::Counter, network::network_of};
use super::ClientAddress;
use crate::failure::Problem;

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
