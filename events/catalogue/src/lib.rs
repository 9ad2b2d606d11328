//! The catalogue of the messages: a static site for people, and AsyncAPI documents for their tools.
//!
//! It is generated from files alone, as the crate `contracts` reads them, and optionally from a file of the times at
//! which events were last seen. The same files give the same bytes.

mod asyncapi;
mod changes;
mod envelope;
mod error;
mod fields;
mod files;
mod flow;
mod mask;
mod schema;
mod site;

use std::path::Path;

use contracts::{Contracts, Seen};

pub use asyncapi::{document_of_all, document_of_service};
pub use changes::{Change, changes};
pub use error::CatalogueError;
pub use fields::{Field, fields};
pub use files::Files;
pub use flow::{Flow, Hop, Reads};
pub use mask::masked;

/// Builds the catalogue of a repository into a folder, replacing an older one, and returns the number of files. `seen`
/// is a file of the times at which events were last seen on a running system.
///
/// # Errors
/// Returns an error if the contracts or `seen` cannot be read or are inconsistent, or if the folder has other content.
pub fn build(repository: &Path, out: &Path, seen: Option<&Path>) -> Result<usize, CatalogueError> {
    let seen = seen.map(Seen::read).transpose()?;
    let files = files_of(&Contracts::read(repository)?, seen.as_ref())?;
    files::write(&files, out)?;
    Ok(files.len())
}

/// Returns every file of the catalogue, by path.
///
/// # Errors
/// Returns an error if a service reads a message that has no schema.
pub fn files_of(contracts: &Contracts, seen: Option<&Seen>) -> Result<Files, CatalogueError> {
    flow::check(contracts)?;
    let mut files = site::files(contracts, seen);
    files.extend(asyncapi::files(contracts));
    Ok(files)
}
