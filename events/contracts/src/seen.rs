//! When the events were last seen on a running system: what `cargo xtask events seen` writes.

use std::{collections::BTreeMap, fs, path::Path};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{ContractError, MessageName};

/// When the events were last seen, by the histories that the broker keeps.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    /// When the histories were read.
    pub read_at: DateTime<Utc>,
    /// The time of the oldest event that a producer's history still has; nothing where it has none.
    pub histories: BTreeMap<String, Option<DateTime<Utc>>>,
    /// The events that are in the histories.
    pub messages: BTreeMap<MessageName, Sighting>,
}

/// The events of one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Sighting {
    /// When the newest was written.
    pub last: DateTime<Utc>,
    /// How many there are.
    pub count: u64,
}

impl Seen {
    /// Reads such a file.
    ///
    /// # Errors
    /// Where it cannot be read, or is no such file.
    pub fn read(path: &Path) -> Result<Self, ContractError> {
        let text =
            fs::read_to_string(path).map_err(|error| ContractError::Unreadable { path: path.to_path_buf(), error })?;
        serde_json::from_str(&text)
            .map_err(|error| ContractError::malformed(path, format!("{error}; write it with: cargo xtask events seen")))
    }
}
