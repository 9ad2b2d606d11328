//! The error for a section that cannot be read.

use std::fmt::{self, Display};

use serde::de::Error;

use super::names::suggestion;

/// Why a section cannot be read.
#[derive(Debug)]
pub struct Wrong {
    /// The setting whose value is wrong, or the table inside the section whose key is. `None` for the section itself.
    pub setting: Option<String>,
    /// The key that is unknown or missing.
    pub key: Option<Key>,
    why: String,
}

/// A key that the section must not or must have.
#[derive(Debug)]
pub enum Key {
    /// The section has no such key.
    Unknown(String),
    /// The section lacks this key.
    Missing(&'static str),
}

impl Wrong {
    pub fn of(self, setting: String) -> Self {
        Self { setting: self.setting.or(Some(setting)), ..self }
    }

    /// The path of the setting inside a section: `waits_ms`, `most.import_file`.
    pub fn path(&self, section: &str) -> Option<String> {
        let inside = self.setting.as_deref().and_then(|setting| setting.strip_prefix(section)?.strip_prefix('.'));
        let key = self.key.as_ref().map(|key| match key {
            Key::Unknown(key) => key.as_str(),
            Key::Missing(key) => key,
        });
        match (inside, key) {
            (None, None) => None,
            (inside, key) => Some(inside.into_iter().chain(key).collect::<Vec<_>>().join(".")),
        }
    }
}

impl Error for Wrong {
    fn custom<T: Display>(why: T) -> Self {
        Self { setting: None, key: None, why: why.to_string() }
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let hint = suggestion(field, expected.iter().copied());
        let why = format!("unknown key `{field}`{hint}; the keys are {}", expected.join(", "));
        Self { key: Some(Key::Unknown(field.to_owned())), ..Self::custom(why) }
    }

    fn missing_field(field: &'static str) -> Self {
        Self { key: Some(Key::Missing(field)), ..Self::custom(format!("missing key `{field}`")) }
    }
}

impl Display for Wrong {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.why)
    }
}

impl std::error::Error for Wrong {}
