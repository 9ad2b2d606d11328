//! The right to relay: a lease that one replica holds.

use std::time::{Duration, Instant};

use neo4rs::query;
use tokio::sync::Mutex;
use uuid::Uuid;

use super::window::Window;
use crate::{failure::StoreError, store::neo4j::Neo4j};

/// How long a lease lasts without renewal: a dead replica blocks the others for this long.
const LEASE: &str = "PT15S";

/// The age at which the holder renews its lease.
pub(super) const RENEW_AFTER: Duration = Duration::from_secs(5);

/// Does not lock the lease, as a claim does.
const IS_FREE: &str = "MATCH (lease:Lease {name: 'relay'})
    RETURN lease.holder = $holder OR lease.expires_at < datetime() AS is_free";

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

/// When the lease was renewed, and how far the outbox was read under it.
#[derive(Default)]
pub(super) struct Held {
    pub(super) renewed: Option<Instant>,
    pub(super) window: Window,
}

impl Relay {
    pub(in crate::store::neo4j) fn new() -> Self {
        Self { holder: Uuid::new_v4().to_string(), held: Mutex::default() }
    }
}

impl Neo4j {
    /// Takes or renews the lease. A new holder reads from the start.
    pub(super) async fn claim(&self, held: &mut Held) -> Result<(), StoreError> {
        let asked_at = Instant::now();
        if held.renewed.take().is_none() {
            *held = Held::default();
            let is_free = query(IS_FREE).param("holder", self.relay.holder.as_str());
            if !self.query_opt(is_free).await?.unwrap_or(false) {
                return Ok(());
            }
        }
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
