//! A table of all messages, for tools that iterate over them.

use std::{collections::HashMap, sync::LazyLock};

use chrono::NaiveDate;

use crate::{
    Kind, Message,
    superseding::{Older, Supersedes},
};

/// The static properties of a message type.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The full name.
    pub name: &'static str,
    /// The routing key.
    pub key: &'static str,
    /// The owning service.
    pub service: &'static str,
    /// The version.
    pub version: u32,
    /// The kind.
    pub kind: Kind,
    /// The schema, verbatim.
    pub schema: &'static str,
    /// Deserializes JSON as the type and serializes it again.
    ///
    /// # Errors
    /// Returns the text of serde's error if the JSON does not fit the type.
    pub round_trip: fn(serde_json::Value) -> Result<serde_json::Value, String>,
    /// The previous version, if there is one.
    pub older: Option<Older>,
}

/// Returns the entry of a message by its full name, or `None` if this build does not know the message.
pub fn find(name: &str) -> Option<&'static Entry> {
    static BY_NAME: LazyLock<HashMap<&str, &Entry>> =
        LazyLock::new(|| CATALOGUE.iter().map(|entry| (entry.name, entry)).collect());
    BY_NAME.get(name).copied()
}

/// Returns the last day on which a version is supported, from `retirements.json`; only versions with a newer one are
/// listed there. `None` if no end date is set.
pub fn retires(name: &str) -> Option<NaiveDate> {
    RETIREMENTS.iter().find(|(message, _)| *message == name).and_then(|(_, date)| date.parse().ok())
}

/// Returns the catalogue entry of a message type.
///
/// # Panics
/// Never for the types of this crate: the catalogue consists of them.
pub fn entry_of<M: Message>() -> &'static Entry {
    find(M::NAME).unwrap_or_else(|| panic!("{} is not in the catalogue", M::NAME))
}

const fn entry_after<M: Supersedes>() -> Entry {
    Entry { older: Some(Older::of::<M>()), ..entry::<M>() }
}

const fn entry<M: Message>() -> Entry {
    Entry {
        name: M::NAME,
        key: M::KEY,
        service: M::SERVICE,
        version: M::VERSION,
        kind: M::KIND,
        schema: M::SCHEMA,
        round_trip: round_trip::<M>,
        older: None,
    }
}

fn round_trip<M: Message>(json: serde_json::Value) -> Result<serde_json::Value, String> {
    let message: M = serde_json::from_value(json).map_err(|error| error.to_string())?;
    serde_json::to_value(message).map_err(|error| error.to_string())
}

include!(concat!(env!("OUT_DIR"), "/catalogue.rs"));
