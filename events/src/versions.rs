//! Versions side by side: how an older version of a message is read as the newer one, and whether it is still
//! published beside it.
//!
//! A schema file with a predecessor does not compile without [`Supersedes`] for its type. So older messages that are
//! still in queues, parked or in a history can always be read.

use std::iter::successors;

use serde_json::Value;

use crate::catalogue::Entry;
pub use crate::entry::{Downcast, NotThatVersion, Older, Supersedes};

/// Returns the earlier versions of a message, newest first.
pub fn older_than(newest: &'static Entry) -> impl Iterator<Item = &'static Entry> {
    let before = |entry: &'static Entry| entry.older.map(|older| older.entry);
    successors(before(newest), move |entry| before(entry))
}

/// Whether one message is an older or newer version of the other.
pub fn is_version_of(name: &str, other: &str) -> bool {
    let both = name.rsplit_once(".v").zip(other.rsplit_once(".v"));
    both.is_some_and(|((one, _), (other, _))| one == other)
}

/// Whether an older version is still published beside its successor, a message or an older version of it.
pub fn is_published_beside(newest: &'static Entry, older: &Entry) -> bool {
    let mut all = std::iter::once(newest).chain(older_than(newest)).filter_map(|entry| entry.older);
    all.any(|before| before.entry.name == older.name && before.downcast.is_some())
}

/// Reads data of an older version as data of a newer one, step by step.
///
/// # Errors
/// Returns an error if the data does not match its version, or if no chain of versions connects the two.
pub fn read_as(newer: &'static Entry, older: &Entry, data: Value) -> Result<Value, NotThatVersion> {
    if newer.name == older.name {
        return Ok(data);
    }
    let before = newer.older.ok_or(NotThatVersion(newer.name))?;
    (before.upcast)(read_as(before.entry, older, data)?)
}

/// Returns the older versions that are published beside a message, each with the data converted to it.
///
/// # Errors
/// Returns an error if the data does not match its version.
pub fn beside(newest: &'static Entry, body: &[u8]) -> Result<Vec<(&'static Entry, Vec<u8>)>, NotThatVersion> {
    let mut found: Vec<(&'static Entry, Vec<u8>)> = Vec::new();
    let mut newer = newest;
    while let Some((older, downcast)) = newer.older.and_then(|older| Some((older.entry, older.downcast?))) {
        let written = downcast(found.last().map_or(body, |(_, body)| body))?;
        found.push((older, written));
        newer = older;
    }
    Ok(found)
}
