//! The origin of a request: the caller's trace and address.

use std::net::IpAddr;

use events::TraceParent;
use warp::http::header::{HeaderMap, HeaderName};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The caller's trace if it is well-formed (W3C Trace Context, level 1); otherwise a new one.
pub(super) fn trace_of(headers: &HeaderMap) -> TraceParent {
    let given = headers.get(TRACEPARENT).and_then(|value| value.to_str().ok()?.parse().ok());
    given.unwrap_or_else(|| TraceParent {
        trace_id: rand::random_range(1..=u128::MAX),
        span_id: rand::random_range(1..=u64::MAX),
        sampled: true,
    })
}

/// The peer, or behind N trusted proxies the N-th hop from the right. Hops further left can be forged.
pub(super) fn client_address(headers: &HeaderMap, peer: IpAddr, trusted_proxies: u32) -> IpAddr {
    let Some(skipped) = (trusted_proxies as usize).checked_sub(1) else { return peer.to_canonical() };
    let lines = headers.get_all(X_FORWARDED_FOR).iter().rev();
    let mut hops = lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
    hops.nth(skipped).and_then(|hop| address_in(hop.trim())).unwrap_or(peer).to_canonical()
}

fn address_in(hop: &str) -> Option<IpAddr> {
    let bare = hop.trim_start_matches('[').trim_end_matches(']');
    bare.parse().ok().or_else(|| hop.parse::<std::net::SocketAddr>().ok().map(|address| address.ip()))
}
