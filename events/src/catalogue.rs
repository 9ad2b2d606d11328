//! A table of every message, for tools that go through all of them.

use crate::{Kind, Message};

/// What is known of a message without having one.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Its full name.
    pub name: &'static str,
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
}

const fn entry<M: Message>() -> Entry {
    Entry {
        name: M::NAME,
        service: M::SERVICE,
        version: M::VERSION,
        kind: M::KIND,
        schema: M::SCHEMA,
        round_trip: round_trip::<M>,
    }
}

fn round_trip<M: Message>(json: serde_json::Value) -> Result<serde_json::Value, String> {
    let message: M = serde_json::from_value(json).map_err(|error| error.to_string())?;
    serde_json::to_value(message).map_err(|error| error.to_string())
}

include!(concat!(env!("OUT_DIR"), "/catalogue.rs"));
