//! Why a service does not start.

use std::net::SocketAddr;

use crate::{config::SettingsError, failure::StoreError, messaging::rabbit::BrokerError};

/// Why a service did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Settings are invalid.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The store cannot be used.
    #[error("the store cannot be used: {0}")]
    Store(StoreError),
    /// The broker cannot be used: it refuses the login, or a command does not reach it.
    #[error("the broker cannot be used: {0}")]
    Broker(BrokerError),
    /// A port cannot be listened on.
    #[error("cannot listen on {address}: {error}: change {setting}")]
    Port {
        /// The address.
        address: SocketAddr,
        /// The setting that holds the address.
        setting: &'static str,
        /// The system's error.
        error: std::io::Error,
    },
}
