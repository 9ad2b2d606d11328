//! What can be wrong with the files.

use std::{io, path::PathBuf};

/// Why the contracts cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ContractError {
    /// A file or folder cannot be read.
    #[error("{}: {error}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file is not what it should be.
    #[error("{}: {why}", path.display())]
    Malformed {
        /// Which.
        path: PathBuf,
        /// What is wrong, and what to do.
        why: String,
    },
    /// There is nothing of the name that was asked for.
    #[error("{0}")]
    Unknown(String),
}

impl ContractError {
    pub(crate) fn malformed(path: impl Into<PathBuf>, why: impl ToString) -> Self {
        Self::Malformed { path: path.into(), why: why.to_string() }
    }
}
