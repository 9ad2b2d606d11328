//! Errors of the broker.

use std::time::Duration;

use lapin::{
    ErrorKind,
    protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError},
};

use crate::{causes::with_causes, config::setting_name};

/// Why a call to the broker failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BrokerError {
    /// The named resource does not exist (404).
    #[error("{0}")]
    NotFound(String),
    /// The user has no right to it, or another connection holds it exclusively (403).
    #[error("{0}")]
    AccessRefused(String),
    /// The virtual host does not exist, or the user has no access to it (530).
    #[error("{0}")]
    NotAllowed(String),
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
    /// Whether an attempt to connect was refused because of the user, the password or the virtual host.
    pub(crate) fn is_login_refused(&self) -> bool {
        matches!(self, Self::AccessRefused(_) | Self::NotAllowed(_))
    }

    /// Adds the server to the error of an attempt to connect.
    pub(crate) fn located(self, place: &str, user: &str) -> Self {
        match self {
            Self::AccessRefused(why) => Self::AccessRefused(format!(
                "{why}: {place} and {}; `topology apply` creates the user before the first start",
                setting_name(user, "broker", "password")
            )),
            Self::NotAllowed(why) => Self::NotAllowed(format!("{why}: {place}")),
            Self::Refused(why) => Self::Refused(format!("{why}: {place}")),
            Self::Connection(why) => Self::Connection(format!("{why}: {place}")),
            Self::Timeout(limit) => Self::Connection(format!("no answer within {} s: {place}", limit.as_secs())),
            error @ (Self::NotFound(_) | Self::Closed | Self::NotAStream(_)) => error,
        }
    }

    /// Whether the named resource does not exist. The broker answers with the same code for a queue whose node is down,
    /// whose process has crashed or is stopped, or that does not respond to it: such a queue exists, and applying the
    /// topology fails.
    pub(crate) fn is_missing(&self) -> bool {
        let absent = |why: &str| ["no queue '", "no exchange '"].iter().any(|text| why.contains(text));
        matches!(self, Self::NotFound(why) if absent(why))
    }

    /// Whether an operator has to apply the topology before it can work.
    pub(crate) fn needs_topology(&self) -> bool {
        matches!(self, Self::AccessRefused(_)) || self.is_missing()
    }
}

impl From<lapin::Error> for BrokerError {
    fn from(error: lapin::Error) -> Self {
        let text = with_causes(&error);
        match error.kind() {
            ErrorKind::ProtocolError(refused) => match refused.kind() {
                AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND) => Self::NotFound(text),
                AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) => Self::AccessRefused(text),
                AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED) => Self::NotAllowed(text),
                AMQPErrorKind::Soft(_) => Self::Refused(text),
                // The end of a connection says nothing about a message.
                AMQPErrorKind::Hard(_) => Self::Connection(text),
            },
            _ => Self::Connection(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::BrokerError;

    #[test]
    fn only_what_does_not_exist_is_missing() {
        // The texts of RabbitMQ 3.10, `rabbit_amqqueue:absent` and `rabbit_misc:not_found`.
        let queue = "queue 'contacts.requests' in vhost '/'";
        for (text, is_missing) in [
            (format!("NOT_FOUND - no {queue}"), true),
            ("NOT_FOUND - no exchange 'requests.contacts' in vhost '/'".to_owned(), true),
            (format!("NOT_FOUND - home node 'rabbit@b' of durable {queue} is down or inaccessible"), false),
            (format!("NOT_FOUND - {queue} has crashed and failed to restart"), false),
            (format!("NOT_FOUND - {queue} process is stopped by supervisor"), false),
            (format!("NOT_FOUND - failed to perform operation on {queue} due to timeout"), false),
        ] {
            assert_eq!(BrokerError::NotFound(text.clone()).is_missing(), is_missing, "{text}");
        }
    }
}
