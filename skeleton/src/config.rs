//! Settings, read from the service's defaults, then a file, then environment variables, then secret files. All errors
//! are reported at once.

mod broker;
mod error;
mod masking;
mod names;
pub(crate) mod range;
mod reading;
mod retry;
mod secret;
mod secret_files;
mod sections;
mod setting;
mod shown;
#[cfg(test)]
mod tests;
mod text;
mod wrong;

use std::collections::BTreeMap;

use config::{Value, ValueKind};
use serde::de::DeserializeOwned;

pub use self::broker::BrokerSettings;
pub use self::error::SettingsError;
pub(crate) use self::names::setting_name;
pub use self::retry::{RetryOverrides, RetrySettings};
pub use self::secret::Secret;
pub use self::sections::{AdminSettings, LifeSettings, LogSettings, RequestSettings};
use self::setting::Setting;

/// All settings of a service.
#[derive(Clone, Debug)]
pub struct Settings {
    service: String,
    sections: BTreeMap<String, Value>,
    known: Vec<String>,
    /// The sections that misspelt variables seem to mean, and the errors to report if the service has them.
    misspelt: Vec<(String, String)>,
}

impl Settings {
    /// The service's name.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// One section, as its type.
    ///
    /// # Errors
    /// If a key is missing, unknown or malformed; the error names each such key and how to set it.
    pub fn section<T: DeserializeOwned>(&self, name: &str) -> Result<T, SettingsError> {
        let empty = Value::new(None, ValueKind::Table(Default::default()));
        let value = self.sections.get(name).unwrap_or(&empty);
        T::deserialize(Setting { name: name.to_owned(), value }).map_err(|wrong| SettingsError {
            service: self.service.clone(),
            errors: self.mistakes::<T>(name, value, wrong),
        })
    }

    /// Marks a section as used, and checks that it can be read.
    pub fn expect<T: DeserializeOwned>(&mut self, name: &str, errors: &mut Vec<String>) -> Option<T> {
        self.known.push(name.to_owned());
        match self.section(name) {
            Ok(section) => Some(section),
            Err(error) => {
                errors.extend(error.errors);
                None
            }
        }
    }

    /// Removes a section that this service does not have.
    #[cfg(feature = "testing")]
    pub(crate) fn forget(&mut self, section: &str) {
        self.sections.remove(section);
    }

    /// Sets one value; for tests and tools.
    pub fn set(&mut self, section: &str, key: &str, value: impl Into<ValueKind>) {
        let table = Value::new(None, ValueKind::Table(Default::default()));
        let entry = self.sections.entry(section.to_owned()).or_insert(table);
        if let ValueKind::Table(keys) = &mut entry.kind {
            keys.insert(key.to_owned(), Value::new(None, value));
        }
    }
}
