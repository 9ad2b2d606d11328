//! Limits on size, speed and duration of what passes over a connection.

mod body;
mod progress;
mod stream;

pub(super) use self::body::GuardedBody;
pub(super) use self::progress::{BodyProgress, Fault};
pub(super) use self::stream::GuardedStream;
