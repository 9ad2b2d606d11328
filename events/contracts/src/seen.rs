//! The times at which events were last seen on a running system, as `cargo xtask events seen` writes them.

use std::{collections::BTreeMap, fs, path::Path};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{ContractError, MessageName};

/// The times at which events were last seen in the histories that the broker keeps.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    /// The time at which the histories were read.
    pub read_at: DateTime<Utc>,
    /// The time of the oldest event in each producer's history; `None` if it is empty.
    pub histories: BTreeMap<String, Option<DateTime<Utc>>>,
    /// The events in the histories.
    pub messages: BTreeMap<MessageName, Sighting>,
}

/// The events with one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Sighting {
    /// The time at which the newest was written.
    pub last: DateTime<Utc>,
    /// The number of events.
    pub count: u64,
}

impl Seen {
    /// Reads such a file.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read or is malformed.
    pub fn read(path: &Path) -> Result<Self, ContractError> {
        let text =
            fs::read_to_string(path).map_err(|error| ContractError::Unreadable { path: path.to_path_buf(), error })?;
        serde_json::from_str(&text).map_err(|error| {
            ContractError::malformed(path, format!("{error}; generate it with: cargo xtask events seen"))
        })
    }
}
