//! Requests: a question or a command to one service, with one reply before a deadline.
//!
//! A request goes to `requests.<service>`, its reply to `replies.<caller>` with the name of a queue as routing key. The
//! topology creates some of these queues for each calling service; each instance claims one exclusively, so that a
//! service needs no right to declare any. Direct reply-to is not used: replying needs the right to write to the default
//! exchange, and with that right a service could write to any queue of any other.
//!
//! Requests and replies are not persistent: callers wait for seconds at most, and retry. A command carries an id that
//! stays the same in a retry; the server sends its first reply again.

mod client;
mod pending;
mod receiving;
mod replies;
mod server;
mod unconfirmed;

use std::{hash::Hash, num::NonZeroU32};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use lapin::{BasicProperties, types::ShortString};

pub use client::{RequestOptions, Requests};
pub use server::{Server, serve};

use super::rabbit::JSON;

/// The content type of a reply that is a problem.
const PROBLEM_JSON: &str = "application/problem+json";

/// The exchange of a service's replies.
pub(crate) fn reply_exchange(caller: &str) -> String {
    format!("replies.{caller}")
}

/// Limits log lines about one thing to one a minute.
fn once_a_minute<K: Clone + Eq + Hash>() -> DefaultKeyedRateLimiter<K> {
    RateLimiter::keyed(Quota::per_minute(NonZeroU32::MIN))
}

/// The properties of a reply: the request id, the user, and the content type. No envelope: it would not be read, and the broker
/// would inspect each header.
fn reply_properties(request: &str, user: &str, is_problem: bool) -> BasicProperties {
    BasicProperties::default()
        .with_user_id(ShortString::from(user))
        .with_correlation_id(ShortString::from(request))
        .with_content_type(if is_problem { PROBLEM_JSON } else { JSON }.into())
}
