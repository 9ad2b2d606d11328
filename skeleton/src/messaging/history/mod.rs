//! History: every event is kept for a while after it was sent, so that a consumer can be fed from the past.
//!
//! Each producer's events go into a stream of its own as well, `history.<producer>`, whoever listens or not. A stream
//! is read without being emptied, from any place in it. [`replay`] feeds it through a service's event handlers, the same
//! way as its queue does, up to where the stream ended when the reading began. What came later is in the queue, which
//! was bound before: so there is no gap, and what is in both is recognised by the inbox.

mod merge;
mod numbers;
mod range;
mod replay;

use serde_json::json;

pub use numbers::{InHistory, Published, last_numbers, published};
pub use range::{Range, RangeError};
pub use replay::{Replay, ReplayError, Replayed};

use super::{handlers::Binding, topology::QueuePlan};

/// How long an event is kept.
const RETENTION: &str = "30D";

/// How much of a producer's events is kept at most: two gigabytes, the oldest go first.
const MOST_BYTES: u64 = 2_000_000_000;

/// Events go segment by segment, so the oldest stay until their segment is full: a small one keeps that short.
const SEGMENT_BYTES: u64 = 8_000_000;

/// The stream that keeps a producer's events.
pub fn stream_of(producer: &str) -> String {
    format!("history.{producer}")
}

/// The stream with its retention, bound to everything that its producer publishes.
pub fn plan_of(producer: &str) -> QueuePlan {
    QueuePlan {
        name: stream_of(producer),
        arguments: json!({
            "x-queue-type": "stream",
            "x-max-age": RETENTION,
            "x-max-length-bytes": MOST_BYTES,
            "x-stream-max-segment-size-bytes": SEGMENT_BYTES,
        }),
        bindings: vec![Binding { exchange: format!("events.{producer}"), routing_key: "#".to_owned() }],
    }
}
