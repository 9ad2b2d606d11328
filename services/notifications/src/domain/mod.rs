//! What members are notified of, in which words, and through which channels.

mod device;
mod kind;
mod notification;
mod words;

pub use device::in_words;
pub use kind::{Channels, Kind, Preferences};
pub use notification::{News, Notification};
pub use words::amount;
