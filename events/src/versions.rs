//! Versions side by side: how an older version of a message is read as the newer one, and how long it is still
//! published beside it.
//!
//! A schema file with a predecessor does not compile without [`Supersedes`] for its type, so no version comes in
//! whose older messages, still in queues, parked or in history, cannot be read.

mod accounts;
mod contacts;

use serde_json::Value;

use crate::{
    Message,
    catalogue::{CATALOGUE, Entry, find},
};

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

/// The versions before this one, the newest of them first.
pub fn older_than(name: &str) -> impl Iterator<Item = &'static Entry> {
    let before = |entry: &'static Entry| entry.older.and_then(|older| find(older.name));
    std::iter::successors(find(name).and_then(before), move |entry| before(entry))
}

/// Whether this message is an older or newer version of the other.
pub fn is_version_of(name: &str, other: &str) -> bool {
    let both = name.rsplit_once(".v").zip(other.rsplit_once(".v"));
    both.is_some_and(|((one, _), (other, _))| one == other)
}

/// Whether a version is still published beside the one that took its place.
pub fn is_published_beside(name: &str) -> bool {
    CATALOGUE.iter().filter_map(|entry| entry.older).any(|older| older.name == name && older.downcast.is_some())
}

/// Reads data of an older version as data of a newer one, step by step.
///
/// # Errors
/// Where the data is not of its version, or no chain of versions leads from one to the other.
pub fn read_as(newer: &'static str, older: &str, data: Value) -> Result<Value, NotThatVersion> {
    if newer == older {
        return Ok(data);
    }
    let before = find(newer).and_then(|entry| entry.older).ok_or(NotThatVersion(newer))?;
    (before.upcast)(read_as(before.name, older, data)?)
}

/// The older versions that are published beside a message, with its data as theirs.
///
/// # Errors
/// Where the data is not of its version.
pub fn beside(name: &str, body: &[u8]) -> Result<Vec<(&'static Entry, Vec<u8>)>, NotThatVersion> {
    let mut found: Vec<(&'static Entry, Vec<u8>)> = Vec::new();
    let mut newer = find(name);
    while let Some((older, downcast)) = newer.and_then(|entry| entry.older).and_then(|o| Some((o, o.downcast?))) {
        let written = downcast(found.last().map_or(body, |(_, body)| body))?;
        newer = find(older.name);
        found.extend(newer.map(|entry| (entry, written)));
    }
    Ok(found)
}
