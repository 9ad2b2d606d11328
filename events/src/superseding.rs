//! Conversion between a version of a message and the previous one.

use serde_json::Value;

use crate::Message;

/// A message that replaces its previous version.
pub trait Supersedes: Message {
    /// The previous version.
    type Old: Message;

    /// Writes the previous version while that is still published beside this one; `None` once it has no consumers
    /// (see `cargo xtask events can-remove`).
    ///
    /// Both carry the same id, so a consumer that receives both handles one of them.
    const DOWNCAST: Option<fn(&Self) -> Self::Old>;

    /// Reads the previous version as this one. Must be pure: the same input always gives the same output.
    fn upcast(old: Self::Old) -> Self;
}

/// The previous version of a message.
#[derive(Clone, Copy, Debug)]
pub struct Older {
    /// The full name of the previous version.
    pub name: &'static str,
    /// Converts data of the previous version to data of this one.
    pub upcast: fn(Value) -> Result<Value, NotThatVersion>,
    /// Converts data of this version to data of the previous one, while that is still published.
    pub downcast: Option<Downcast>,
}

/// Converts data of a version to data of the previous version.
pub type Downcast = fn(&[u8]) -> Result<Vec<u8>, NotThatVersion>;

/// The data does not match the version in its name. Contains nothing of the data, which may be personal.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("the data does not match {0}")]
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
