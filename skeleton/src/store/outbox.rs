//! The relay's interface to a store: the outbox, read by one replica at a time.

use std::{collections::BTreeMap, future::Future};

use events::Envelope;
use metrics::counter;
use sha2::{Digest, Sha256};
use tokio::sync::Notify;
use tracing::error;

use super::Store;
use crate::{failure::StoreError, telemetry::report_bug};

/// The postponed messages of a route are counted exactly up to this number. Beyond it, the count is one more.
pub const COUNTED: u64 = 10_000;

/// A store whose transactions publish, as the relay uses it.
pub trait Outbox: Store {
    /// The oldest messages to send, without postponed ones. `None` while another replica relays. A row that cannot be
    /// read is set aside and counted, and does not block the others.
    fn next(&self, limit: i64) -> impl Future<Output = Result<Option<Vec<OutboxRow>>, StoreError>> + Send;

    /// Removes messages that the broker has confirmed.
    fn remove(&self, positions: &[i64]) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Renews the right to relay while messages are being published. A failure is harmless: [`Outbox::remove`] detects
    /// it.
    fn keep_relaying(&self) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Postpones messages: they stay in the outbox, and [`Outbox::next`] leaves them out.
    fn postpone(&self, rows: &[&OutboxRow]) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The position of the first postponed message of each of these ordering keys, if there is one.
    fn first_postponed(&self, keys: &[i64]) -> impl Future<Output = Result<BTreeMap<i64, i64>, StoreError>> + Send;

    /// The number of postponed messages of each route, [`COUNTED`] and one at most: the cost must not grow with them.
    fn postponed(&self) -> impl Future<Output = Result<BTreeMap<Route, u64>, StoreError>> + Send;

    /// The oldest postponed messages of a route after a position.
    fn postponed_of(
        &self,
        route: &Route,
        after: i64,
        limit: i64,
    ) -> impl Future<Output = Result<Vec<OutboxRow>, StoreError>> + Send;

    /// Makes the oldest postponed messages of a route ready again. Returns their positions.
    fn readmit(&self, route: &Route, limit: i64) -> impl Future<Output = Result<Vec<i64>, StoreError>> + Send;

    /// Sets aside a row that cannot be published as it is, with the reason, until a person repairs it.
    fn set_outbox_row_aside(&self, position: i64, reason: &str) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The number of rows that are set aside because they cannot be read or published.
    fn unreadable(&self) -> impl Future<Output = Result<i64, StoreError>> + Send;

    /// Releases the right to relay, if this replica holds it, so that another need not wait for the right to expire.
    fn release_leadership(&self) -> impl Future<Output = ()> + Send;

    /// Raises the sequences of subjects to these where they are lower: the next event of each subject gets the number
    /// after it. Returns how many are lower. With `dry_run`, changes none.
    fn raise_sequences(
        &self,
        _reached: &[(String, i64)],
        _dry_run: bool,
    ) -> impl Future<Output = Result<u64, StoreError>> + Send {
        async { Err(StoreError::broken("this store does not support raising sequences")) }
    }

    /// Notified after a commit that staged messages.
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

/// A message in the outbox.
#[derive(Clone, Debug)]
pub struct OutboxRow {
    /// Its position in the outbox.
    pub position: i64,
    /// The exchange.
    pub exchange: String,
    /// The routing key.
    pub routing_key: String,
    /// Its complete envelope.
    pub envelope: Envelope,
    /// Its data.
    pub body: Vec<u8>,
}

impl OutboxRow {
    /// The route that it is published on.
    pub fn route(&self) -> Route {
        Route { exchange: self.exchange.clone(), routing_key: self.routing_key.clone() }
    }

    /// Messages with the same key must not overtake each other: events of one subject, and jobs of one kind. The key is
    /// a hash, so that it is short. If two subjects have the same hash, one may wait for the other.
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

/// Parses an envelope as stores keep it. The error names the position, never a value.
pub(super) fn read_envelope(text: &str) -> Result<Envelope, String> {
    serde_json::from_str(text).map_err(|error| format!("invalid envelope at column {}", error.column()))
}

/// Counts and logs a row that was set aside because it cannot be read or published.
pub(super) fn tell_unreadable(origin: &'static str, row: &str, reason: &str) {
    counter!("rows_unreadable_total", "origin" => origin).increment(1);
    error!(origin, row, reason, "unreadable row set aside: repair it and put it back (docs/operations.md)");
    report_bug(&format!("unreadable row in {origin}: {reason}"));
}
