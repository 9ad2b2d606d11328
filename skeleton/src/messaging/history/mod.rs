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

pub use numbers::{InHistory, Published, last_numbers, published};
pub use range::{Range, RangeError};
pub use replay::{Replay, ReplayError, Replayed};

/// The stream that keeps a producer's events.
pub fn stream_of(producer: &str) -> String {
    format!("history.{producer}")
}
