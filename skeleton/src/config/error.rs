//! The error for invalid settings.

use std::fmt::Display;

use config::{Value, ValueKind};
use serde::de::{DeserializeOwned, Error};

use super::{
    Settings,
    masking::is_secret,
    names::suggestion,
    setting::Setting,
    wrong::{Key, Wrong},
};

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
    /// The error for a value that its section's type accepts, and the service cannot use.
    pub fn unusable(&self, section: &str, key: &str, why: impl Display) -> SettingsError {
        let wrong = Wrong::custom(why).of(format!("{section}.{key}"));
        SettingsError { service: self.service.clone(), errors: vec![self.mistake(section, &wrong)] }
    }

    /// All that is wrong with a section: each wrong key is left out, and the rest is read again.
    pub(super) fn mistakes<T: DeserializeOwned>(&self, section: &str, value: &Value, first: Wrong) -> Vec<String> {
        let (mut errors, mut left_out, mut rest, mut wrong) = (Vec::new(), Vec::new(), value.clone(), first);
        loop {
            let path = wrong.path(section).unwrap_or_default();
            let key = path.split('.').next().unwrap_or_default().to_owned();
            // It is missing only because it was wrong.
            if left_out.contains(&key) {
                return errors;
            }
            errors.push(self.mistake(section, &wrong));
            let ValueKind::Table(keys) = &mut rest.kind else { return errors };
            if keys.remove(&key).is_none() {
                return errors;
            }
            left_out.push(key);
            match T::deserialize(Setting { name: section.to_owned(), value: &rest }) {
                Ok(_) => return errors,
                Err(next) => wrong = next,
            }
        }
    }

    /// What is wrong with a section, and how to set it.
    fn mistake(&self, section: &str, wrong: &Wrong) -> String {
        let file = self.in_file(section);
        let Some(path) = wrong.path(section) else {
            return format!("[{section}] {wrong} (set {}, or {file})", self.variable(section, "<key>"));
        };
        let variable = self.variable(section, &path);
        match &wrong.key {
            Some(Key::Unknown(_)) => format!("[{section}] {wrong} (remove {variable}, or change {file})"),
            Some(Key::Missing(key)) if is_secret(key) => {
                format!("[{section}] {wrong} (set {variable}_FILE to the name of a file that holds it, or {variable})")
            }
            Some(Key::Missing(_)) => format!("[{section}] {wrong} (set {variable}, or {file})"),
            None => format!("[{section}] {path}: {wrong} (set {variable}, or {file})"),
        }
    }

    /// The sections that the service does not have, and variables with one underscore after its name: misspelt ones.
    pub fn unknown_sections(&self) -> Vec<String> {
        let mut known: Vec<&str> = self.known.iter().map(String::as_str).collect();
        known.sort_unstable();
        known.dedup();
        let unknown = self.sections.keys().filter(|name| !known.contains(&name.as_str()));
        let text = |name: &String| {
            let hint = suggestion(name, known.iter().copied());
            let (variables, file) = (format!("{}...", self.variable(name, "")), self.in_file(name));
            let sections = known.join(", ");
            format!(
                "[{name}] is not a section of this service{hint}; the sections are {sections} (remove {variables}, or {file})"
            )
        };
        let mut errors: Vec<String> = unknown.map(text).collect();
        // Others may be those of another program, or of a service whose name begins like this one's.
        let is_known = |section: &str| known.iter().any(|known| known.split('.').next() == Some(section));
        let misspelt = self.misspelt.iter().filter(|(section, _)| is_known(section));
        errors.extend(misspelt.map(|(_, error)| error.clone()));
        errors.sort_unstable();
        errors
    }
}
