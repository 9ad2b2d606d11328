//! What the tools know about the services of a repository, and the files that are generated from it.

mod generate;
mod names;
mod new_service;
mod region;
mod service;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

pub use generate::Generated;
pub use new_service::{Patch, Words};
pub use service::{Secret, SecretKind, Service, Store, services};

/// The repository around a folder.
///
/// # Errors
/// If no folder above is one.
pub fn repository(folder: &Path) -> Result<PathBuf> {
    let around = folder.ancestors().find(|folder| folder.join("services").is_dir() && folder.join("deploy").is_dir());
    around.map(Path::to_path_buf).context("not in a repository of Kith: no folder above has services/ and deploy/")
}
