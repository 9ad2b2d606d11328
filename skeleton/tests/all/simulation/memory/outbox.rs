//! The outbox as the relay sees it. The right to relay belongs to the session.

use std::collections::BTreeMap;

use skeleton::{
    StoreError,
    store::{Outbox, OutboxRow, Route},
};
use tokio::sync::Notify;

use super::Memory;
use crate::simulation::weather::Bug;

impl Memory {
    fn remove_now(&self, positions: &[i64]) -> Result<(), StoreError> {
        let mut tables = self.database.tables();
        if tables.relaying != Some(self.session.number) && !self.has(Bug::RelayWithoutItsLock) {
            return Err(StoreError::unavailable("memory: the relay's session is gone"));
        }
        for position in positions {
            tables.postponed.remove(position);
            if let Some(row) = tables.outbox.remove(position) {
                self.database.ledger.removed(row.envelope.id);
            }
        }
        Ok(())
    }
}

impl Outbox for Memory {
    async fn next(&self, limit: i64) -> Result<Option<Vec<OutboxRow>>, StoreError> {
        self.ask("asks for the outbox").await?;
        if self.life.strikes(|odds| odds.session_cut) {
            self.database.cut_relay();
        }
        let mut tables = self.database.tables();
        let session = self.session.number;
        let holder = *tables.relaying.get_or_insert(session);
        if holder != session && !self.has(Bug::RelayWithoutItsLock) {
            return Ok(None);
        }
        tables.windows.insert(session);
        if tables.windows.len() > 1 {
            self.database.ledger.broken(format!("two replicas of {} relay at a time", self.database.service));
        }
        let limit = usize::try_from(limit).unwrap_or(0);
        let ready = tables.outbox.values().filter(|row| !tables.postponed.contains_key(&row.position));
        Ok(Some(ready.take(limit).cloned().collect()))
    }

    async fn remove(&self, positions: &[i64]) -> Result<(), StoreError> {
        self.ask("removes sent messages").await?;
        self.remove_now(positions)?;
        self.life.step("has removed what was sent").await;
        if self.life.strikes(|odds| odds.reply_lost) {
            return Err(StoreError::unavailable("memory: the reply is lost"));
        }
        Ok(())
    }

    async fn keep_relaying(&self) -> Result<(), StoreError> {
        self.ask("keeps the right to relay").await
    }

    async fn postpone(&self, rows: &[&OutboxRow]) -> Result<(), StoreError> {
        self.ask("postpones messages").await?;
        let mut tables = self.database.tables();
        for row in rows {
            if tables.outbox.contains_key(&row.position) {
                tables.postponed.insert(row.position, row.ordering_key());
            }
        }
        Ok(())
    }

    async fn first_postponed(&self, keys: &[i64]) -> Result<BTreeMap<i64, i64>, StoreError> {
        self.ask("asks what is postponed of some keys").await?;
        let mut first = BTreeMap::new();
        for (position, key) in &self.database.tables().postponed {
            if keys.contains(key) {
                first.entry(*key).or_insert(*position);
            }
        }
        Ok(first)
    }

    async fn postponed(&self) -> Result<BTreeMap<Route, u64>, StoreError> {
        self.ask("asks what is postponed").await?;
        let tables = self.database.tables();
        let mut routes = BTreeMap::new();
        for row in tables.postponed.keys().filter_map(|position| tables.outbox.get(position)) {
            *routes.entry(row.route()).or_default() += 1;
        }
        Ok(routes)
    }

    async fn postponed_of(&self, route: &Route, after: i64, limit: i64) -> Result<Vec<OutboxRow>, StoreError> {
        self.ask("reads what is postponed of a route").await?;
        let tables = self.database.tables();
        let limit = usize::try_from(limit).unwrap_or(0);
        let rows = tables.postponed.keys().filter(|position| **position > after);
        let rows = rows.filter_map(|position| tables.outbox.get(position)).filter(|row| row.route() == *route);
        Ok(rows.take(limit).cloned().collect())
    }

    async fn readmit(&self, route: &Route, limit: i64) -> Result<Vec<i64>, StoreError> {
        self.ask("makes messages ready again").await?;
        let mut tables = self.database.tables();
        let of_route = |position: &&i64| tables.outbox.get(position).is_some_and(|row| row.route() == *route);
        let limit = usize::try_from(limit).unwrap_or(0);
        let positions: Vec<i64> = tables.postponed.keys().filter(of_route).take(limit).copied().collect();
        for position in &positions {
            tables.postponed.remove(position);
        }
        Ok(positions)
    }

    async fn set_outbox_row_aside(&self, position: i64, _: &str) -> Result<(), StoreError> {
        self.ask("sets a row aside").await?;
        self.database.tables().outbox.remove(&position);
        Ok(())
    }

    async fn unreadable(&self) -> Result<i64, StoreError> {
        // All rows are values, so none is unreadable.
        Ok(0)
    }

    async fn release_leadership(&self) {
        self.life.step("resigns").await;
        self.database.end_session(self.session.number);
    }

    fn wakeup(&self) -> &Notify {
        &self.wakeup
    }
}
