//! A message on its way from a store to the broker, and its outcome.

use std::future::Future;

use bytes::Bytes;
use events::{Envelope, catalogue, versions};

use super::OutboxRow;
use crate::telemetry::report_bug;

/// A message on its way to the broker.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The exchange.
    pub exchange: String,
    /// The routing key.
    pub routing_key: String,
    /// Its envelope.
    pub envelope: Envelope,
    /// Its data, JSON.
    pub body: Bytes,
}

impl From<OutboxRow> for Outgoing {
    fn from(row: OutboxRow) -> Self {
        Self { exchange: row.exchange, routing_key: row.routing_key, envelope: row.envelope, body: row.body.into() }
    }
}

/// The outcome of a published message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The broker has it, in every queue bound for it.
    Confirmed,
    /// No queue is bound for it, or its exchange is missing or forbidden.
    Unroutable,
    /// It cannot be published as it is, for this reason: to publish it again is pointless.
    Refused(String),
    /// A queue refused it or did not confirm it in time, while the broker works: publish it again under the same id,
    /// apart from other messages.
    Unconfirmed,
    /// The broker may or may not have it: publish it again under the same id.
    Unknown,
}

impl Outcome {
    /// Whether nothing is left to do for a version of a message: the `nth` of all its versions, the newest first. An
    /// older version that no queue takes has no reader.
    pub(crate) fn is_done(&self, nth: usize) -> bool {
        match self {
            Self::Confirmed => true,
            Self::Unroutable => nth > 0,
            Self::Refused(_) | Self::Unconfirmed | Self::Unknown => false,
        }
    }
}

/// Publishes messages and waits for publisher confirms.
pub trait Publisher: Send + Sync {
    /// Publishes all messages in order and waits for the outcome of each; the outcomes are in the same order.
    fn publish(&self, window: Vec<Outgoing>) -> impl Future<Output = Vec<Outcome>> + Send;

    /// The same for messages with a queue that does not confirm: other messages do not wait for them.
    fn publish_apart(&self, messages: Vec<Outgoing>) -> impl Future<Output = Vec<Outcome>> + Send {
        self.publish(messages)
    }
}

/// A message as it is published: its own version first, then its downcast versions under the same id.
pub(crate) fn in_all_versions(row: OutboxRow) -> Vec<Outgoing> {
    let newest = Outgoing::from(row);
    let known = catalogue::find(&newest.envelope.name);
    let beside = known.map_or_else(|| Ok(Vec::new()), |entry| versions::beside(entry, &newest.body));
    let beside = beside.unwrap_or_else(|error| {
        // This service's own types wrote the message: only a row of a broken build gets here.
        report_bug(&format!("{} cannot be published in its older versions: {error}", newest.envelope.name));
        Vec::new()
    });
    let older = beside.into_iter().map(|(version, body)| Outgoing {
        routing_key: version.key.to_owned(),
        envelope: Envelope { name: version.name.to_owned(), ..newest.envelope.clone() },
        body: body.into(),
        exchange: newest.exchange.clone(),
    });
    let mut all: Vec<Outgoing> = older.collect();
    all.insert(0, newest);
    all
}
