//! The outbox as the relay sees it. The right to relay goes with the session.

use skeleton::{
    StoreError,
    store::{Outbox, OutboxRow},
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
        Ok(Some(tables.outbox.values().take(limit).cloned().collect()))
    }

    async fn remove(&self, positions: &[i64]) -> Result<(), StoreError> {
        self.ask("removes what was sent").await?;
        self.remove_now(positions)?;
        self.life.step("has removed what was sent").await;
        if self.life.strikes(|odds| odds.reply_lost) {
            return Err(StoreError::unavailable("memory: the reply is lost"));
        }
        Ok(())
    }

    async fn resign(&self) {
        self.life.step("resigns").await;
        self.database.end_session(self.session.number);
    }

    fn bell(&self) -> &Notify {
        &self.bell
    }
}
