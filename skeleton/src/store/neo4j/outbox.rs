//! The outbox: how messages are written into it, and which replica relays them.
//!
//! A transaction that publishes locks one counter until its commit. So positions grow in commit order, and the relay
//! needs no cursor. Only the holder of a lease relays. The lease uses the server's clock, and the statements that
//! remove, postpone and readmit messages check it.

mod lease;
mod postponed;
mod row;
mod sequences;
mod staging;
mod window;

use std::collections::BTreeMap;

use neo4rs::query;
use tokio::sync::Notify;

use self::lease::RENEW_AFTER;
pub(super) use self::lease::Relay;
pub(super) use self::staging::{bytes_of, stage};
use super::{Neo4j, error::unavailable};
use crate::{
    failure::StoreError,
    store::{Outbox, OutboxRow, Route, outbox::tell_unreadable},
};

const REMOVE: &str = "MATCH (lease:Lease {name: 'relay'})
    SET lease.is_taken = true
    WITH lease WHERE lease.holder = $holder AND lease.expires_at >= datetime()
    UNWIND $positions AS position
    OPTIONAL MATCH (message:Outbox {position: position})
    DELETE message
    RETURN count(*) AS checked";

const SET_ASIDE: &str = "MATCH (message:Outbox {position: $position})
    REMOVE message:Outbox
    SET message:Unreadable, message.origin = 'outbox', message.reason = $reason, message.found_at = datetime()";

/// Why a relay whose lease has ended changes nothing.
const LOST: &str = "another replica is now the relay";

impl Outbox for Neo4j {
    async fn next(&self, limit: i64) -> Result<Option<Vec<OutboxRow>>, StoreError> {
        let mut held = self.relay.held.lock().await;
        if held.renewed.is_none_or(|at| at.elapsed() > RENEW_AFTER) {
            self.claim(&mut held).await?;
        }
        if held.renewed.is_none() {
            return Ok(None);
        }
        let messages = self.read(&mut held.window, limit).await?;
        self.readable(messages).await.map(Some)
    }

    async fn remove(&self, positions: &[i64]) -> Result<(), StoreError> {
        let mut held = self.relay.held.lock().await;
        let remove = query(REMOVE).param("holder", self.relay.holder.as_str()).param("positions", positions);
        let checked: Vec<i64> = self.write(remove).await?;
        if checked.first().is_none_or(|checked| *checked == 0) {
            held.renewed = None;
            return Err(unavailable(LOST));
        }
        Ok(())
    }

    async fn keep_relaying(&self) -> Result<(), StoreError> {
        self.claim(&mut *self.relay.held.lock().await).await
    }

    async fn postpone(&self, rows: &[&OutboxRow]) -> Result<(), StoreError> {
        let mut held = self.relay.held.lock().await;
        if !self.postpone_rows(rows).await? {
            held.renewed = None;
            return Err(unavailable(LOST));
        }
        Ok(())
    }

    async fn first_postponed(&self, keys: &[i64]) -> Result<BTreeMap<i64, i64>, StoreError> {
        self.first_postponed_of(keys).await
    }

    async fn postponed(&self) -> Result<BTreeMap<Route, u64>, StoreError> {
        self.count_postponed().await
    }

    async fn postponed_of(&self, route: &Route, after: i64, limit: i64) -> Result<Vec<OutboxRow>, StoreError> {
        self.postponed_rows_of(route, after, limit).await
    }

    async fn readmit(&self, route: &Route, limit: i64) -> Result<Vec<i64>, StoreError> {
        let readmitted = self.readmit_postponed(route, limit).await;
        let mut held = self.relay.held.lock().await;
        match readmitted {
            Ok(Some(positions)) => {
                held.window.readmitted(&positions);
                Ok(positions)
            }
            Ok(None) => {
                held.renewed = None;
                Err(unavailable(LOST))
            }
            Err(error) => {
                // They may be ready all the same: read from the start.
                held.window = Default::default();
                Err(error)
            }
        }
    }

    async fn set_outbox_row_aside(&self, position: i64, reason: &str) -> Result<(), StoreError> {
        self.execute(query(SET_ASIDE).param("position", position).param("reason", reason)).await?;
        tell_unreadable("outbox", &position.to_string(), reason);
        Ok(())
    }

    async fn unreadable(&self) -> Result<i64, StoreError> {
        Ok(self.query_opt(query("RETURN COUNT { (:Unreadable) } AS unreadable")).await?.unwrap_or(0))
    }

    async fn release_leadership(&self) {
        self.resign().await;
    }

    async fn raise_sequences(&self, reached: &[(String, i64)], dry_run: bool) -> Result<u64, StoreError> {
        self.raise(reached, dry_run).await
    }

    fn wakeup(&self) -> &Notify {
        &self.wakeup
    }
}
