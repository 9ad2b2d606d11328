//! The section `[broker]`.

use serde::Deserialize;

use super::{Secret, range};

/// The connection to the broker.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BrokerSettings {
    /// `amqp://user@host:port/vhost`, without the password.
    pub url: String,
    /// The password.
    #[serde(default)]
    pub password: Secret,
    /// The number of unacknowledged messages that the broker hands to a consumer.
    #[serde(deserialize_with = "range::at_least_1")]
    pub prefetch: u16,
    /// The maximum number of messages that share one transaction under a backlog.
    #[serde(deserialize_with = "range::at_least_1")]
    pub batch: usize,
    /// The number of queues that the service's events are split into, by subject.
    #[serde(deserialize_with = "range::at_least_1")]
    pub partitions: u32,
    /// The number of messages that the relay sends before it waits for their confirms.
    #[serde(deserialize_with = "range::at_least_1")]
    pub window: i64,
    /// The time to wait for a publisher confirm, in milliseconds, before the message is sent again.
    #[serde(deserialize_with = "range::at_least_1")]
    pub confirm_timeout_ms: u64,
    /// The longest wait between two connection attempts, in milliseconds.
    #[serde(deserialize_with = "range::at_least_1")]
    pub reconnect_max_ms: u64,
    /// A PEM file with the CA certificates that signed the server's certificate, unless a public CA did.
    #[serde(default)]
    pub tls_ca_file: Option<std::path::PathBuf>,
    /// Allows plain text to a server on another machine.
    #[serde(default)]
    pub allow_plaintext: bool,
}
