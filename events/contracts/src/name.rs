//! The names of messages.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The full name of a message, `contacts.contact-added.v1`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct MessageName {
    /// The owning service: the producer of an event, the service that answers a request.
    pub owner: String,
    /// The name without owner and version, `contact-added`.
    pub name: String,
    /// The version.
    pub version: u32,
}

impl MessageName {
    /// Returns the routing key, `contact-added.v1`.
    pub fn key(&self) -> String {
        format!("{}.v{}", self.name, self.version)
    }

    /// Returns the name of the same message in another version.
    pub fn in_version(&self, version: u32) -> Self {
        Self { version, ..self.clone() }
    }
}

impl fmt::Display for MessageName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}.v{}", self.owner, self.name, self.version)
    }
}

impl FromStr for MessageName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = || {
            let (rest, version) = text.rsplit_once(".v")?;
            let (owner, name) = rest.split_once('.')?;
            let version = version.parse().ok().filter(|version| *version > 0)?;
            (!owner.is_empty() && !name.is_empty()).then(|| Self { owner: owner.into(), name: name.into(), version })
        };
        parts().ok_or_else(|| format!("{text:?} is not a message name: write it as contacts.contact-added.v1"))
    }
}

impl TryFrom<String> for MessageName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<MessageName> for String {
    fn from(name: MessageName) -> Self {
        name.to_string()
    }
}
