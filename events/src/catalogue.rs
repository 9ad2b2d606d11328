//! A table of every message, for tools that go through all of them.

use std::{collections::HashMap, sync::LazyLock};

use chrono::NaiveDate;

use crate::{
    Kind, Message,
    superseding::{Older, Supersedes},
};

/// What is known of a message without having one.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Its full name.
    pub name: &'static str,
    /// Its routing key.
    pub key: &'static str,
    /// The service that owns it.
    pub service: &'static str,
    /// Its version.
    pub version: u32,
    /// What it is for.
    pub kind: Kind,
    /// Its schema, word for word.
    pub schema: &'static str,
    /// Reads JSON as the type and writes it again.
    ///
    /// # Errors
    /// The text of serde's error where the JSON does not fit the type.
    pub round_trip: fn(serde_json::Value) -> Result<serde_json::Value, String>,
    /// Its version before, where it has one.
    pub older: Option<Older>,
}

/// The message of a full name. `None` where there is none in this build.
pub fn find(name: &str) -> Option<&'static Entry> {
    static BY_NAME: LazyLock<HashMap<&str, &Entry>> =
        LazyLock::new(|| CATALOGUE.iter().map(|entry| (entry.name, entry)).collect());
    BY_NAME.get(name).copied()
}

/// The last day on which a version of a message is supported: the file `retirements.json` says so of versions that have
/// a newer one. `None` where no end is set.
pub fn retires(name: &str) -> Option<NaiveDate> {
    RETIREMENTS.iter().find(|(message, _)| *message == name).and_then(|(_, date)| date.parse().ok())
}

/// What is known of a message type.
///
/// # Panics
/// Never for the types of this crate, which are the catalogue.
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
