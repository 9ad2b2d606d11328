//! Delayed jobs of the in-memory store.

use std::time::Duration;

use chrono::{DateTime, Utc};
use skeleton::{
    Delay, StoreError,
    store::{Delays, PendingMessage},
};
use uuid::Uuid;

use super::{
    Memory, Tx,
    tables::{Delayed, Lock},
};
use crate::simulation::weather::Bug;

impl Delay for Tx {
    async fn cancel(&mut self, message: Uuid) -> Result<bool, StoreError> {
        self.store.ask("cancels a delayed job").await?;
        let is_there = self.store.database.tables().delayed.contains_key(&message);
        self.changes().no_longer_delayed.push(message);
        Ok(is_there)
    }

    async fn keep_until(&mut self, due: DateTime<Utc>, message: &PendingMessage) -> Result<(), StoreError> {
        self.store.ask("delays a job").await?;
        self.changes().delayed.push((due, message.clone()));
        Ok(())
    }

    async fn take_due(&mut self, limit: i64) -> Result<Vec<PendingMessage>, StoreError> {
        self.store.ask("takes out due jobs").await?;
        let now = self.store.life.environment.now();
        let mut tables = self.store.database.tables();
        if !tables.try_lock(&Lock::Delays, self.number) {
            return Ok(Vec::new());
        }
        let is_due = |kept: &&Delayed| kept.due <= now || self.store.has(Bug::DelaysTooEarly);
        let mut due: Vec<Delayed> = tables.delayed.values().filter(is_due).cloned().collect();
        drop(tables);
        due.sort_by_key(|kept| (kept.due, kept.position));
        due.truncate(usize::try_from(limit).unwrap_or(0));
        self.changes().no_longer_delayed.extend(due.iter().map(|kept| kept.message.envelope.id));
        Ok(due.into_iter().map(|kept| kept.message).collect())
    }
}

impl Delays for Memory {
    async fn until_due(&self) -> Result<Option<Duration>, StoreError> {
        self.ask("asks when the next job is due").await?;
        let now = self.life.environment.now();
        if self.has(Bug::DelaysTooEarly) && !self.database.tables().delayed.is_empty() {
            return Ok(Some(Duration::ZERO));
        }
        let next = self.database.tables().delayed.values().map(|kept| kept.due).min();
        Ok(next.map(|due| (due - now).to_std().unwrap_or_default()))
    }

    async fn delayed(&self) -> Result<i64, StoreError> {
        self.ask("counts delayed jobs").await?;
        Ok(self.database.tables().delayed.len() as i64)
    }
}
