//! The error for invalid settings.

use super::{Settings, wrong::Wrong};

/// Invalid settings: every error, each with the setting's name and how to set it.
#[derive(Debug, thiserror::Error)]
#[error("invalid settings of {service}:\n{}", .errors.join("\n"))]
pub struct SettingsError {
    /// The service's name.
    pub service: String,
    /// One line per error.
    pub errors: Vec<String>,
}

impl Settings {
    /// What is wrong with a section, and how to set it.
    pub(super) fn mistake(&self, section: &str, wrong: &Wrong) -> String {
        let prefix = self.service.to_uppercase();
        let key = wrong.setting.as_deref().and_then(|setting| setting.strip_prefix(section)?.strip_prefix('.'));
        let variable = |key: &str| format!("{prefix}__{section}__{key}").to_uppercase().replace('.', "__");
        let (wrong, variable) = match key {
            Some(key) => (format!("{key}: {wrong}"), variable(key)),
            None => (wrong.to_string(), variable("<key>")),
        };
        format!(
            "[{section}] {wrong} (set {variable}, or the section [{section}] in the file that {prefix}_CONFIG names)"
        )
    }
}
