//! What leads from a version of a message to the one before it, and back.

use serde_json::Value;

use crate::Message;

/// A message that takes the place of its version before.
pub trait Supersedes: Message {
    /// The version before.
    type Old: Message;

    /// Writes the version before, while that is still published beside this one; `None` once nobody consumes it
    /// (`cargo xtask events can-remove` says so).
    ///
    /// Both carry the same id, so whoever receives both handles one.
    const DOWNCAST: Option<fn(&Self) -> Self::Old>;

    /// Reads the version before as this one. Pure: the same gives the same, whenever it is read.
    fn upcast(old: Self::Old) -> Self;
}

/// What is known of a message's version before.
#[derive(Clone, Copy, Debug)]
pub struct Older {
    /// The full name of the version before.
    pub name: &'static str,
    /// Reads data of the version before as data of this one.
    pub upcast: fn(Value) -> Result<Value, NotThatVersion>,
    /// Writes data of this version as data of the one before, while that is still published.
    pub downcast: Option<Downcast>,
}

/// Writes data of a version as data of the version before it.
pub type Downcast = fn(&[u8]) -> Result<Vec<u8>, NotThatVersion>;

/// The data is not of the version that its name says. Tells nothing of the data, which may be personal.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("the data is no {0}")]
pub struct NotThatVersion(pub &'static str);

impl Older {
    pub(crate) const fn of<M: Supersedes>() -> Self {
        Self {
            name: M::Old::NAME,
            upcast: upcast::<M>,
            downcast: if M::DOWNCAST.is_some() { Some(downcast::<M>) } else { None },
        }
    }
}

fn upcast<M: Supersedes>(data: Value) -> Result<Value, NotThatVersion> {
    let old: M::Old = serde_json::from_value(data).map_err(|_| NotThatVersion(M::Old::NAME))?;
    serde_json::to_value(M::upcast(old)).map_err(|_| NotThatVersion(M::NAME))
}

fn downcast<M: Supersedes>(body: &[u8]) -> Result<Vec<u8>, NotThatVersion> {
    let new: M = serde_json::from_slice(body).map_err(|_| NotThatVersion(M::NAME))?;
    let old = M::DOWNCAST.ok_or(NotThatVersion(M::Old::NAME))?(&new);
    serde_json::to_vec(&old).map_err(|_| NotThatVersion(M::Old::NAME))
}
