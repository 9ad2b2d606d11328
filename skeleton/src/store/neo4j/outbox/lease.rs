//! The right to relay: a lease that one replica holds.

use std::time::{Duration, Instant};

use neo4rs::query;
use tokio::sync::Mutex;
use uuid::Uuid;

use super::row::Message;
use crate::{failure::StoreError, store::neo4j::Neo4j};

/// How long a lease lasts without renewal: a dead replica blocks the others for this long.
const LEASE: &str = "PT15S";

/// The age at which the holder renews its lease.
pub(super) const RENEW_AFTER: Duration = Duration::from_secs(5);

const CLAIM: &str = "MATCH (lease:Lease {name: 'relay'})
    SET lease.is_taken = true
    WITH lease WHERE lease.holder = $holder OR lease.expires_at < datetime()
    SET lease.holder = $holder, lease.expires_at = datetime() + duration($lease)
    RETURN true AS held";

const RESIGN: &str = "MATCH (lease:Lease {name: 'relay'})
    SET lease.is_taken = true
    WITH lease WHERE lease.holder = $holder
    SET lease.expires_at = datetime() - duration('PT1S')";

/// A replica's state of its right to relay.
pub(in crate::store::neo4j) struct Relay {
    pub(super) holder: String,
    pub(super) held: Mutex<Held>,
}

/// When the lease was renewed, and the position to read the outbox from.
#[derive(Default)]
pub(super) struct Held {
    pub(super) renewed: Option<Instant>,
    pub(super) from: i64,
    last: i64,
}

impl Relay {
    pub(in crate::store::neo4j) fn new() -> Self {
        Self { holder: Uuid::new_v4().to_string(), held: Mutex::default() }
    }
}

impl Held {
    /// Records that the outbox was read. Positions grow in commit order: no message appears any more before those read.
    pub(super) fn has_read(&mut self, messages: &[Message]) {
        self.from = messages.first().map_or(self.last + 1, |first| first.position);
        self.last = messages.last().map_or(self.last, |last| self.last.max(last.position));
    }
}

impl Neo4j {
    /// Takes or renews the lease. Reads from the start again: a person may have put messages back.
    pub(super) async fn claim(&self, held: &mut Held) -> Result<(), StoreError> {
        let asked_at = Instant::now();
        *held = Held::default();
        let claim = query(CLAIM).param("holder", self.relay.holder.as_str()).param("lease", LEASE);
        let claimed: Vec<bool> = self.write(claim).await?;
        held.renewed = claimed.first().map(|_| asked_at);
        Ok(())
    }

    /// Gives the lease back.
    pub(super) async fn resign(&self) {
        if self.relay.held.lock().await.renewed.take().is_some() {
            // If this fails, the lease expires.
            let _ = self.execute(query(RESIGN).param("holder", self.relay.holder.as_str())).await;
        }
    }
}
