//! Why a service does not start.

use std::net::SocketAddr;

use crate::{config::SettingsError, failure::StoreError};

/// Why a service did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Settings are invalid.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The store cannot be used.
    #[error("the store cannot be used: {0}")]
    Store(StoreError),
    /// A port cannot be listened on.
    #[error("cannot listen on {address}: {error}")]
    Port {
        /// The address.
        address: SocketAddr,
        /// The system's error.
        error: std::io::Error,
    },
}
