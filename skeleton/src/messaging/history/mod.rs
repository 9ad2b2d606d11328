//! History: every event is kept for a while after it was sent, so that a consumer can read past events.
//!
//! Each producer's events also go into a stream, `history.<producer>`, whether or not they have consumers. Reading a
//! stream does not empty it, and can start at any position. [`replay`] feeds it through a service's event handlers, the
//! same way as its queue does, up to where the stream ended when the reading began. Later events are in the queue,
//! which was bound before: so there is no gap, and the inbox recognises events that are in both.

mod merge;
mod numbers;
mod range;
mod replay;

pub use numbers::{InHistory, LastNumbers, Published, last_numbers, published};
pub use range::Range;
pub use replay::{Replay, ReplayError, Replayed};

/// The stream that keeps a producer's events.
pub fn stream_of(producer: &str) -> String {
    format!("history.{producer}")
}
