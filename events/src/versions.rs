//! Versions side by side: how an older version of a message is read as the newer one, and whether it is still
//! published beside it.
//!
//! A schema file with a predecessor does not compile without [`Supersedes`] for its type. So older messages that are
//! still in queues, parked or in a history can always be read.

mod accounts;
mod contacts;

use serde_json::Value;

use crate::catalogue::{CATALOGUE, Entry, find};
pub use crate::superseding::{Downcast, NotThatVersion, Older, Supersedes};

/// Returns the earlier versions of a message, newest first.
pub fn older_than(name: &str) -> impl Iterator<Item = &'static Entry> {
    let before = |entry: &'static Entry| entry.older.and_then(|older| find(older.name));
    std::iter::successors(find(name).and_then(before), move |entry| before(entry))
}

/// Whether one message is an older or newer version of the other.
pub fn is_version_of(name: &str, other: &str) -> bool {
    let both = name.rsplit_once(".v").zip(other.rsplit_once(".v"));
    both.is_some_and(|((one, _), (other, _))| one == other)
}

/// Whether a version is still published beside its successor.
pub fn is_published_beside(name: &str) -> bool {
    CATALOGUE.iter().filter_map(|entry| entry.older).any(|older| older.name == name && older.downcast.is_some())
}

/// Reads data of an older version as data of a newer one, step by step.
///
/// # Errors
/// Returns an error if the data does not match its version, or if no chain of versions connects the two.
pub fn read_as(newer: &'static str, older: &str, data: Value) -> Result<Value, NotThatVersion> {
    if newer == older {
        return Ok(data);
    }
    let before = find(newer).and_then(|entry| entry.older).ok_or(NotThatVersion(newer))?;
    (before.upcast)(read_as(before.name, older, data)?)
}

/// Returns the older versions that are published beside a message, each with the data converted to it.
///
/// # Errors
/// Returns an error if the data does not match its version.
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
