//! What all messages have in common: the CloudEvents envelope, validation, versions.
//!
//! The messages themselves are in packages, one for each producer: `schemas/accounts` has the schema files of accounts,
//! which are authoritative, and the types that are generated from them. A service depends on its own package and on
//! those of the services that it listens to or calls. This crate and the packages depend on nothing else of Kith.

pub mod catalogue;
mod entry;
mod envelope;
mod excerpt;
mod fields;
mod numbers;
mod personal;
mod snapshots;
pub mod testing;
mod validation;
pub mod versions;

pub use envelope::{Envelope, EnvelopeError, MAX_ATTRIBUTE, MAX_SEQUENCE, MAX_SUBJECT, TraceParent};
pub use excerpt::{Excerpt, fields_read};
pub use numbers::{whole_numbers_in, with_whole_numbers};
pub use personal::{MASK, masked};
pub use snapshots::Snapshot;
pub use validation::{Validator, Violation};

/// For [`excerpt!`], so that crates that use it need no dependency on serde.
#[doc(hidden)]
pub use serde;
use serde::{Serialize, de::DeserializeOwned};

/// The kind of a message; it determines the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A fact, for any number of consumers.
    Event,
    /// A question or a command to one service, with one reply before a deadline.
    Request,
    /// The reply to a request.
    Reply,
    /// Work that a service puts into its own queue.
    Job,
}

/// A message with a schema.
pub trait Message: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The owning service: the producer of an event, the service that answers a request.
    const SERVICE: &'static str;
    /// The full name, `contacts.contact-added.v1`: the CloudEvents type.
    const NAME: &'static str;
    /// The routing key, `contact-added.v1`.
    const KEY: &'static str;
    /// The version.
    const VERSION: u32;
    /// The kind.
    const KIND: Kind;
    /// The schema (JSON Schema 2020-12), verbatim.
    const SCHEMA: &'static str;
    /// These properties in one value, for what does not know the type.
    const ENTRY: &'static catalogue::Entry;

    /// Returns the package that it belongs to.
    fn package() -> &'static catalogue::Package;

    /// Returns the thing that the message is about; messages of one subject keep their order.
    fn subject(&self) -> Option<String>;
}

/// A fact, for any number of consumers.
pub trait Event: Message {}

/// Work that a service puts into its own queue.
pub trait Job: Message {}

/// A question or a command to one service.
pub trait Request: Message {
    /// The type of the reply.
    type Reply: Serialize + DeserializeOwned + Send + Sync + 'static;
}

/// Returns a message made from the first example of its schema, for tests.
///
/// # Panics
/// If there is no example, or it does not fit the type; the tests of the packages check both.
pub fn first_example<M: Message>() -> M {
    let schema: serde_json::Value =
        serde_json::from_str(M::SCHEMA).expect("schemas are valid JSON: the build script parsed them");
    let example = schema["examples"][0].clone();
    serde_json::from_value(example).unwrap_or_else(|error| panic!("{}: the first example: {error}", M::NAME))
}
