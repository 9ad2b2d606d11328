//! The stream in which a producer's events are kept.

use serde_json::json;

use super::QueuePlan;
use crate::messaging::{handlers::Binding, history::stream_of};

/// How long an event is kept.
const RETENTION: &str = "30D";

/// The maximum size of a producer's history: two gigabytes, the oldest events are deleted first.
const MOST_BYTES: u64 = 2_000_000_000;

/// Events are deleted by segment, so the oldest stay until their segment is full: a small one keeps that short.
const SEGMENT_BYTES: u64 = 8_000_000;

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
