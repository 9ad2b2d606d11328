//! A hardened HTTP server around warp's filters.
//!
//! `warp::serve` waits without limit: for half a header, the rest of a body, a peer that does not read, a stream that
//! does not end. Here all of these have a limit and a stop has a deadline. A panic is answered like any other failure.
//! Work that changes something continues if its caller hangs up. `tests/all/http.rs` tests each.

mod access_log;
pub mod admin;
mod answer;
pub mod auth;
mod busy;
mod connection;
mod door;
mod guard;
#[cfg(feature = "postgres")]
pub mod idempotency;
mod json;
mod limits;
mod origin;
mod problem;
mod protocol;
mod refusals;
mod rejections;
mod response;
mod serve;
mod settings;

use std::net::IpAddr;

use events::TraceParent;
use warp::filters::BoxedFilter;
use warp::{Filter, Rejection};

pub use json::{body, bytes, read};
pub use limits::{RateLimits, RateSettings, limited_by_address};
pub use problem::{problem_response, reply};
pub use rejections::{finish, group};
pub use response::{Accepted, Created, IntoResponse, Json, NoContent};
pub use serve::{Drained, serve};
pub use settings::HttpSettings;

/// A group of routes, boxed to keep compile times short.
pub type Routes = BoxedFilter<(Response,)>;

/// A response to the caller.
pub type Response = warp::reply::Response;

/// The caller's address, as far as it can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

/// Extracts the address of the caller.
pub fn client_address() -> impl Filter<Extract = (ClientAddress,), Error = Rejection> + Copy {
    warp::ext::get::<ClientAddress>()
}

/// Extracts the trace of the request: the caller's (W3C `traceparent`), or a new one.
pub fn trace_header() -> impl Filter<Extract = (TraceParent,), Error = Rejection> + Copy {
    warp::ext::get::<TraceParent>()
}
