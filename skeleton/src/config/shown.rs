//! Settings as text: for people, and for the environment of another process.

use std::collections::BTreeMap;

#[cfg(feature = "testing")]
use config::Value;
use config::ValueKind;

use super::{Settings, masking};

impl Settings {
    /// The settings in force, one `section.key = value` per line, with secrets and passwords in URLs hidden.
    pub fn to_text(&self) -> String {
        let mut lines = Vec::new();
        for (section, value) in &self.sections {
            let ValueKind::Table(keys) = &value.kind else { continue };
            let sorted: BTreeMap<_, _> = keys.iter().collect();
            for (key, value) in sorted {
                lines.push(format!("{section}.{key} = {}", masking::shown(key, value)));
            }
        }
        lines.join("\n")
    }

    /// The environment variables that set the same values, secrets included.
    #[cfg(feature = "testing")]
    pub(crate) fn variables(&self) -> Vec<(String, String)> {
        let mut variables = Vec::new();
        for (section, value) in &self.sections {
            let ValueKind::Table(keys) = &value.kind else { continue };
            let name = |key: &str| format!("{}__{section}__{key}", self.service).to_uppercase().replace('.', "__");
            variables.extend(keys.iter().map(|(key, value)| (name(key), as_text(value))));
        }
        variables
    }
}

/// A setting as the text of an environment variable that sets the same value.
#[cfg(feature = "testing")]
fn as_text(value: &Value) -> String {
    let element = |value: &Value| match &value.kind {
        ValueKind::String(text) => format!("{text:?}"),
        _ => value.to_string(),
    };
    match &value.kind {
        ValueKind::Array(list) => format!("[{}]", list.iter().map(element).collect::<Vec<_>>().join(", ")),
        _ => value.to_string(),
    }
}
