//! What is known of a message without its type: its properties, its package, and the conversion between its versions.

use chrono::NaiveDate;
use serde_json::Value;

use crate::{Kind, Message};

/// The messages of one owner.
#[derive(Debug)]
pub struct Package {
    /// The owner.
    pub service: &'static str,
    /// Its messages.
    pub messages: &'static [&'static Entry],
}

impl Package {
    /// Returns one of its messages by its full name.
    pub fn find(&self, name: &str) -> Option<&'static Entry> {
        self.messages.iter().find(|entry| entry.name == name).copied()
    }
}

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
    pub round_trip: fn(Value) -> Result<Value, String>,
    /// The previous version, if there is one.
    pub older: Option<Older>,
    retires: Option<&'static str>,
    package: fn() -> &'static Package,
}

impl Entry {
    /// The entry of a message without a previous version.
    pub const fn of<M: Message>() -> Self {
        Self {
            name: M::NAME,
            key: M::KEY,
            service: M::SERVICE,
            version: M::VERSION,
            kind: M::KIND,
            schema: M::SCHEMA,
            package: M::package,
            round_trip: round_trip::<M>,
            older: None,
            retires: None,
        }
    }

    /// The entry of a message that has a previous version. A type with a predecessor does not compile without an
    /// upcaster.
    pub const fn superseding<M: Supersedes>() -> Self {
        Self { older: Some(Older::of::<M>()), ..Self::of::<M>() }
    }

    /// Sets the last day on which the version is supported, `2027-06-30`.
    pub const fn retiring(self, date: &'static str) -> Self {
        Self { retires: Some(date), ..self }
    }

    /// Returns the package that it belongs to.
    pub fn package(&self) -> &'static Package {
        (self.package)()
    }

    /// Returns the last day on which this version is supported. `None` if no end date is set.
    pub fn retires(&self) -> Option<NaiveDate> {
        self.retires.and_then(|date| date.parse().ok())
    }
}

fn round_trip<M: Message>(json: Value) -> Result<Value, String> {
    let message: M = serde_json::from_value(json).map_err(|error| error.to_string())?;
    serde_json::to_value(message).map_err(|error| error.to_string())
}

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
    /// The previous version.
    pub entry: &'static Entry,
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
            entry: M::Old::ENTRY,
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
