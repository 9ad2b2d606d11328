//! Errors of the broker.

use std::time::Duration;

use lapin::{
    ErrorKind,
    protocol::{AMQPErrorKind, AMQPSoftError},
};

/// Why a call to the broker failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BrokerError {
    /// The named resource does not exist (404).
    #[error("{0}")]
    NotFound(String),
    /// The user has no right to it, or another connection holds it exclusively (403).
    #[error("{0}")]
    AccessRefused(String),
    /// Any other error of the broker.
    #[error("{0}")]
    Refused(String),
    /// The broker did not respond in time.
    #[error("the broker did not respond within {} s", .0.as_secs_f32())]
    Timeout(Duration),
    /// The connection or the channel failed.
    #[error("{0}")]
    Connection(String),
    /// The link was closed permanently: the process is stopping.
    #[error("the link is closed")]
    Closed,
    /// The queue is not a stream.
    #[error("{0} is not a stream: run this service's `topology apply` as the broker's administrator")]
    NotAStream(String),
}

impl BrokerError {
    /// Whether an operator has to apply the topology before it can work.
    pub(crate) fn needs_topology(&self) -> bool {
        matches!(self, Self::NotFound(_) | Self::AccessRefused(_))
    }
}

impl From<lapin::Error> for BrokerError {
    fn from(error: lapin::Error) -> Self {
        let text = error.to_string();
        match error.kind() {
            ErrorKind::ProtocolError(refused) => match refused.kind() {
                AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND) => Self::NotFound(text),
                AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) => Self::AccessRefused(text),
                AMQPErrorKind::Soft(_) | AMQPErrorKind::Hard(_) => Self::Refused(text),
            },
            _ => Self::Connection(text),
        }
    }
}
