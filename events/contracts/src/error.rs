//! Errors in the files.

use std::{io, path::PathBuf};

/// The reason why the contracts cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ContractError {
    /// A file or folder cannot be read.
    #[error("{}: {error}", path.display())]
    Unreadable {
        /// The path.
        path: PathBuf,
        /// The cause.
        error: io::Error,
    },
    /// A file is malformed.
    #[error("{}: {why}", path.display())]
    Malformed {
        /// The path.
        path: PathBuf,
        /// The problem and its remedy.
        why: String,
    },
    /// There is nothing with the requested name.
    #[error("{0}")]
    Unknown(String),
}

impl ContractError {
    pub(crate) fn malformed(path: impl Into<PathBuf>, why: impl ToString) -> Self {
        Self::Malformed { path: path.into(), why: why.to_string() }
    }
}
