//! The messages of Kith: the types made from the schema files, and the envelope they travel in.
//!
//! The files under `schemas/` are the truth. This crate depends on nothing else of Kith, so that a service in a
//! repository of its own, or in another language, needs only this folder.

pub mod catalogue;
mod envelope;
mod excerpt;
mod fields;
mod numbers;
mod personal;
mod snapshots;
mod superseding;
mod validation;
pub mod versions;

pub use envelope::{Envelope, EnvelopeError, MAX_ATTRIBUTE, MAX_SUBJECT, TraceParent};
pub use excerpt::{Excerpt, fields_read};
pub use numbers::{whole_numbers_in, with_whole_numbers};
pub use personal::{MASK, masked};
pub use snapshots::Snapshot;
pub use validation::{Validator, Violation};

/// For [`excerpt!`], which derives in crates that need not know serde themselves.
#[doc(hidden)]
pub use serde;
use serde::{Serialize, de::DeserializeOwned};

include!(concat!(env!("OUT_DIR"), "/services.rs"));

/// What a message is for; it decides which exchange carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A fact, for whoever listens.
    Event,
    /// A question or an order to one service, with one reply before a deadline.
    Request,
    /// The answer to a request.
    Reply,
    /// Work that a service has put in its own queue.
    Job,
}

/// A message with a schema.
pub trait Message: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The service that owns it: the producer of an event, the answerer of a request.
    const SERVICE: &'static str;
    /// Its full name, `contacts.contact-added.v1`: the CloudEvents type.
    const NAME: &'static str;
    /// Its routing key, `contact-added.v1`.
    const KEY: &'static str;
    /// Its version.
    const VERSION: u32;
    /// What it is for.
    const KIND: Kind;
    /// Its schema (JSON Schema 2020-12), word for word.
    const SCHEMA: &'static str;

    /// What it is about; messages of one subject keep their order.
    fn subject(&self) -> Option<String>;
}

/// A fact, for whoever listens.
pub trait Event: Message {}

/// Work that a service has put in its own queue.
pub trait Job: Message {}

/// A question or an order to one service.
pub trait Request: Message {
    /// What comes back.
    type Reply: Serialize + DeserializeOwned + Send + Sync + 'static;
}

/// Messages for tests, made from the first example of each schema.
pub mod samples {
    use crate::Message;

    fn first_example<M: Message>() -> M {
        let schema: serde_json::Value = serde_json::from_str(M::SCHEMA).expect("a schema is JSON: the build read it");
        let example = schema["examples"][0].clone();
        serde_json::from_value(example).unwrap_or_else(|error| panic!("{}: the first example: {error}", M::NAME))
    }

    include!(concat!(env!("OUT_DIR"), "/samples.rs"));
}
