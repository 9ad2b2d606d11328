//! What the relay needs of a store: the outbox, read by one replica at a time.

use std::{collections::BTreeMap, future::Future};

use events::Envelope;
use metrics::counter;
use sha2::{Digest, Sha256};
use tokio::sync::Notify;
use tracing::error;

use super::Store;
use crate::{failure::StoreError, telemetry::report_bug};

/// A store whose transactions publish: the relay's side of it.
pub trait Outbox: Store {
    /// The oldest messages to send, without those that are postponed. `None` while another replica relays. A row that
    /// cannot be read is set aside and counted, and does not stop the others.
    fn next(&self, limit: i64) -> impl Future<Output = Result<Option<Vec<OutboxRow>>, StoreError>> + Send;

    /// Forgets messages that the broker has confirmed.
    fn remove(&self, positions: &[i64]) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Keeps the right to relay while messages are on their way. Failing is harmless: [`Outbox::remove`] finds out.
    fn keep_relaying(&self) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Postpones messages: they stay in the outbox, and [`Outbox::next`] leaves them out.
    fn postpone(&self, rows: &[&OutboxRow]) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The position of the first postponed message of each of these ordering keys that has one.
    fn first_postponed(&self, keys: &[i64]) -> impl Future<Output = Result<BTreeMap<i64, i64>, StoreError>> + Send;

    /// How many messages of each route are postponed.
    fn postponed(&self) -> impl Future<Output = Result<BTreeMap<Route, u64>, StoreError>> + Send;

    /// Makes the oldest postponed messages of a route ready again. Returns their positions.
    fn readmit(&self, route: &Route, limit: i64) -> impl Future<Output = Result<Vec<i64>, StoreError>> + Send;

    /// How many rows could not be read and are set aside.
    fn unreadable(&self) -> impl Future<Output = Result<i64, StoreError>> + Send;

    /// Lets another replica relay from now on, where this one did: it need not wait until this one is known to be gone.
    fn release_leadership(&self) -> impl Future<Output = ()> + Send;

    /// Moves the numbers of subjects forward to these, where they are lower: the next event of each has the one after it.
    /// Returns how many are lower; with `dry_run` it changes none.
    fn raise_sequences(
        &self,
        _reached: &[(String, i64)],
        _dry_run: bool,
    ) -> impl Future<Output = Result<u64, StoreError>> + Send {
        async { Err(StoreError::broken("this store's sequences cannot be moved")) }
    }

    /// Rings when a transaction of this process has committed messages.
    fn wakeup(&self) -> &Notify;
}

/// Where a message is published: exchange and routing key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// The exchange.
    pub exchange: String,
    /// The routing key.
    pub routing_key: String,
}

/// A message as the outbox keeps it.
#[derive(Clone, Debug)]
pub struct OutboxRow {
    /// Its place in the outbox.
    pub position: i64,
    /// Where it goes.
    pub exchange: String,
    /// With which routing key.
    pub routing_key: String,
    /// Its envelope, complete.
    pub envelope: Envelope,
    /// Its data.
    pub body: Vec<u8>,
}

impl OutboxRow {
    /// Where it is published.
    pub fn route(&self) -> Route {
        Route { exchange: self.exchange.clone(), routing_key: self.routing_key.clone() }
    }

    /// Messages with the same key must not overtake each other: events of one subject, and jobs of one kind. A hash, so
    /// that it is short; of two subjects with one hash, one may wait for the other.
    pub fn ordering_key(&self) -> i64 {
        let subject = self.envelope.subject.as_deref().filter(|_| self.envelope.sequence.is_some());
        let mut hash = Sha256::new();
        hash.update(&self.exchange);
        hash.update([0]);
        hash.update(subject.unwrap_or(&self.routing_key));
        let mut first = [0; 8];
        first.copy_from_slice(&hash.finalize()[..8]);
        i64::from_be_bytes(first)
    }
}

/// Reads an envelope as the stores keep it. The error names the place, never a value.
pub(super) fn read_envelope(text: &str) -> Result<Envelope, String> {
    serde_json::from_str(text).map_err(|error| format!("the envelope cannot be read: column {}", error.column()))
}

/// Counts and logs a row that was set aside because it cannot be read.
pub(super) fn tell_unreadable(origin: &'static str, row: &str, reason: &str) {
    counter!("rows_unreadable_total", "origin" => origin).increment(1);
    error!(
        origin,
        row,
        reason,
        "a row cannot be read and is set aside as unreadable: mend it and put it back (docs/operations.md)"
    );
    report_bug(&format!("a row of {origin} cannot be read: {reason}"));
}
