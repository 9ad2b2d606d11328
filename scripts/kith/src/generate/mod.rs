//! The files that are generated from `services/*/service.toml`.

mod compose;
mod erasure;
mod native;
pub(crate) mod ports;
mod profiles;
mod tests;

use std::{fs, path::Path};

use anyhow::{Context, Result};

use crate::{Service, services};

/// The first line of generated Rust files.
const NOTICE: &str = "//! Generated from services/*/service.toml by `cargo kith generate`. Do not edit.";

/// A generated file, or a file with generated regions.
#[derive(Debug)]
pub struct Generated {
    /// Relative to the repository.
    pub path: &'static str,
    text: String,
}

impl Generated {
    /// All of them, for these services.
    ///
    /// # Errors
    /// If a file that has generated regions is missing, or one of the regions.
    pub fn all(repository: &Path, services: &[Service]) -> Result<Vec<Self>> {
        let compose = read(repository, compose::PATH)?;
        let manifest = read(repository, tests::MANIFEST)?;
        let workspace = read(repository, profiles::PATH)?;
        let accounts = read(repository, erasure::MANIFEST)?;
        let page = read(repository, ports::PATH)?;
        Ok(vec![
            Self { path: native::PATH, text: native::table(services) },
            Self { path: compose::PATH, text: compose::replace(&compose, services).context(compose::PATH)? },
            Self { path: ports::PATH, text: ports::replace(&page, services).context(ports::PATH)? },
            Self { path: profiles::PATH, text: profiles::replace(&workspace, services).context(profiles::PATH)? },
            Self { path: erasure::PARTS, text: erasure::parts(services) },
            Self { path: erasure::CONFIRMATIONS, text: erasure::confirmations(services) },
            Self {
                path: erasure::MANIFEST,
                text: erasure::dependencies(&accounts, services).context(erasure::MANIFEST)?,
            },
            Self { path: tests::MACRO, text: tests::every_service(services) },
            Self { path: tests::PACKAGES, text: tests::packages(services) },
            Self { path: tests::MANIFEST, text: tests::dependencies(&manifest, services).context(tests::MANIFEST)? },
        ])
    }

    /// The paths of those that are out of date.
    ///
    /// # Errors
    /// As [`all`](Self::all), and if a `service.toml` is wrong.
    pub fn stale(repository: &Path) -> Result<Vec<&'static str>> {
        let all = Self::all(repository, &services(repository)?)?;
        Ok(all.into_iter().filter(|file| !file.is_current(repository)).map(|file| file.path).collect())
    }

    /// Whether the file has this text.
    pub fn is_current(&self, repository: &Path) -> bool {
        fs::read_to_string(repository.join(self.path)).is_ok_and(|text| text == self.text)
    }

    /// Writes it unless it is current. Returns whether it was written.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, repository: &Path) -> Result<bool> {
        if self.is_current(repository) {
            return Ok(false);
        }
        fs::write(repository.join(self.path), &self.text).with_context(|| format!("cannot write {}", self.path))?;
        Ok(true)
    }
}

/// The lines of a manifest that depend on the packages of these services' messages.
fn packages_of<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(|name| format!("{name}-events.workspace = true\n")).collect()
}

fn read(repository: &Path, path: &str) -> Result<String> {
    fs::read_to_string(repository.join(path)).with_context(|| format!("cannot read {path}"))
}
