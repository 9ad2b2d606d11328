//! Requests: a question or an order to one service, with one reply before a deadline.
//!
//! A request goes to `requests.<service>`, its reply to `replies.<caller>` with the name of a queue as routing key. The
//! topology makes some of these queues for each service that asks; each instance takes one for itself alone, so that a
//! service needs no right to make any. Direct reply-to is not used: answering it needs the right to write to the
//! default exchange, and with that right a service could write to any queue of any other.
//!
//! Requests and replies are not kept on disk: who asks waits for seconds at most, and asks again. An order carries an
//! id that stays the same when it is asked again; the answerer gives its first reply again.

mod client;
mod server;

use lapin::{BasicProperties, types::ShortString};

pub use client::{RequestOptions, Requests};
pub use server::{Server, serve};

use super::rabbit::JSON;

/// The form of a reply that says no.
const PROBLEM_JSON: &str = "application/problem+json";

/// The exchange that a service's replies come through.
pub(crate) fn reply_exchange(caller: &str) -> String {
    format!("replies.{caller}")
}

/// What a reply carries: the request it answers, and its form. No envelope: nobody would read it, and the broker would
/// look at each header.
fn reply_properties(request: &str, is_problem: bool) -> BasicProperties {
    BasicProperties::default()
        .with_correlation_id(ShortString::from(request))
        .with_content_type(if is_problem { PROBLEM_JSON } else { JSON }.into())
}
