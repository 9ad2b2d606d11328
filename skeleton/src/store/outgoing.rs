//! A message on its way from a store to the broker, and what became of it.

use std::future::Future;

use bytes::Bytes;
use events::{Envelope, versions};

use super::OutboxRow;
use crate::telemetry::report_bug;

/// A message on its way to the broker.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Where it goes.
    pub exchange: String,
    /// With which routing key.
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

/// What became of a published message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The broker has it, in every queue that wants it.
    Confirmed,
    /// The broker has answered, and no queue wants it.
    Unroutable,
    /// The broker may have it or not: publish it again, under the same id.
    Unknown,
}

/// Sends messages and waits for the broker's word.
pub trait Publisher: Send + Sync {
    /// Publishes all, in order, and waits until each has its outcome; the answers are in the same order.
    fn publish(&self, window: Vec<Outgoing>) -> impl Future<Output = Vec<Outcome>> + Send;
}

/// A message as it goes out: its own version first, then those that are published beside it, under the same id.
pub(crate) fn in_all_versions(row: OutboxRow) -> Vec<Outgoing> {
    let newest = Outgoing::from(row);
    let beside = versions::beside(&newest.envelope.name, &newest.body).unwrap_or_else(|error| {
        // Written by this service's own types: only a row of a broken build comes here.
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
