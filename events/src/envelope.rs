//! The envelope: CloudEvents 1.0 attributes as AMQP headers (CloudEvents AMQP binding, binary mode).

mod attributes;
mod headers;
#[cfg(test)]
mod tests;
mod trace_parent;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use self::trace_parent::TraceParent;

/// The maximum length of a subject in bytes. A subject is a header, so it must fit into a broker frame with the other
/// headers, and it is a key in the stores' indexes.
pub const MAX_SUBJECT: usize = 1024;
/// The maximum length of type, source, subject and id in bytes. Postgres indexes keys of up to 2.7 kB.
pub const MAX_ATTRIBUTE: usize = 2048;
/// The largest sequence of an event: more than a thousand events of one subject a second for thirty years.
pub const MAX_SEQUENCE: i64 = 1 << 40;

/// The metadata of a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    /// Identifies the message; a repeat of the message has the same id.
    pub id: Uuid,
    /// The message's full name, `contacts.contact-added.v1`.
    pub name: String,
    /// The sender, `/contacts`.
    pub source: String,
    /// The time at which it was written.
    pub time: DateTime<Utc>,
    /// The thing that it is about.
    pub subject: Option<String>,
    /// The number among the messages of its subject, from 1; assigned in the transaction that wrote the message.
    pub sequence: Option<i64>,
    /// W3C trace context: the trace and span in which it was sent.
    pub trace: Option<TraceParent>,
    /// The first message of the chain that this one belongs to.
    pub correlation_id: Option<Uuid>,
    /// The message whose handling sent this one.
    pub causation_id: Option<Uuid>,
    /// The account on whose behalf it was sent.
    pub actor: Option<Uuid>,
    /// The time after which the caller stops waiting, by the caller's clock. Informational: the effective limit is the
    /// relative one in the AMQP property `expiration`.
    pub deadline: Option<DateTime<Utc>>,
}

/// The reason why headers are not a valid envelope.
#[derive(Clone, Debug, thiserror::Error, PartialEq)]
pub enum EnvelopeError {
    /// A required attribute is missing.
    #[error("the attribute {0} is missing")]
    Missing(&'static str),
    /// An attribute is malformed.
    #[error("the attribute {0} cannot be read: it should be {1}")]
    Malformed(&'static str, &'static str),
    /// An attribute is too long for a store's index.
    #[error("the attribute {0} is too long: the limit is {MAX_ATTRIBUTE} bytes")]
    TooLong(&'static str),
    /// The message uses another version of CloudEvents.
    #[error("the message is not CloudEvents 1.0")]
    SpecVersion,
}
