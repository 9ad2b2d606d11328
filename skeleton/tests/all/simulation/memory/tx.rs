//! A transaction of the in-memory store: its writes are visible only after its commit.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use skeleton::{
    Publish, StoreError,
    failure::StoreErrorKind,
    store::{PendingMessage, SetAside, Transaction, UnitOfWork},
};
use uuid::Uuid;

use super::{
    Memory,
    tables::{Delayed, Effect, Inbox, Lock},
};
use crate::simulation::weather::Bug;

/// A transaction. Dropped without a commit, it is rolled back.
pub struct Tx {
    pub(super) store: Memory,
    pub(super) number: u64,
    work: UnitOfWork,
    new: BTreeSet<Uuid>,
    changes: Changes,
}

/// The writes that a commit applies.
#[derive(Default)]
pub(super) struct Changes {
    pub reached: Vec<(String, i64)>,
    pub taken_out: Vec<Uuid>,
    pub replies: Vec<(Uuid, Vec<u8>)>,
    pub delayed: Vec<(DateTime<Utc>, PendingMessage)>,
    pub no_longer_delayed: Vec<Uuid>,
    pub effects: Vec<Effect>,
}

impl Tx {
    pub(super) async fn begin(store: Memory, work: UnitOfWork, inbox_ids: &[Uuid]) -> Result<Self, StoreError> {
        let number = store.database.tables().next_number();
        let mut tx = Self { store, number, work, new: BTreeSet::new(), changes: Changes::default() };
        for message in inbox_ids {
            if !tx.store.has(Bug::UnlockedInbox) {
                tx.store.lock(Lock::Inbox(*message), number).await?;
            }
            let is_new = !tx.store.database.tables().inbox.contains_key(message);
            if is_new || tx.store.has(Bug::ForgottenInbox) {
                tx.new.insert(*message);
            }
        }
        if tx.store.has(Bug::InboxOutsideOfTheTransaction) {
            tx.fill_inbox();
        }
        Ok(tx)
    }

    /// Records an effect of the handler for its event.
    pub fn effect(&mut self, handler: &'static str) {
        let event = self.work.cause().expect("a handler handles a message").clone();
        let effect = Effect { handler, event, at: self.store.life.environment.now() };
        if self.store.has(Bug::EffectsOutsideOfTheTransaction) {
            self.store.database.tables().effects.push(effect);
        } else {
            self.changes.effects.push(effect);
        }
    }

    /// A step of the handler.
    pub async fn step(&self, what: &str) {
        self.store.life.step(what).await;
    }

    /// Whether the handler must fail this time.
    pub fn is_to_fail(&self) -> bool {
        self.store.life.strikes(|odds| odds.failing)
    }

    pub(super) fn changes(&mut self) -> &mut Changes {
        &mut self.changes
    }

    fn fill_inbox(&self) {
        let taken_in_at = self.store.life.environment.now();
        let mut tables = self.store.database.tables();
        for message in &self.new {
            tables.inbox.entry(*message).or_insert(Inbox { taken_in_at, reply: None });
        }
    }

    /// Commits atomically. Returns whether there is something to send.
    fn make_so(&mut self) -> bool {
        let (database, now) = (self.store.database.clone(), self.store.life.environment.now());
        self.fill_inbox();
        let staged = self.work.take_pending();
        let changes = std::mem::take(&mut self.changes);
        let mut tables = database.tables();
        for (line, last) in changes.reached {
            tables.lines.insert(line, last);
        }
        for message in changes.taken_out {
            tables.set_aside.remove(&message);
        }
        for (request, reply) in changes.replies {
            tables.inbox.entry(request).and_modify(|entry| entry.reply = Some(reply));
        }
        for message in changes.no_longer_delayed {
            tables.delayed.remove(&message);
        }
        for (due, message) in changes.delayed {
            let position = tables.next_number();
            database.ledger.delayed(&message.envelope, due);
            tables.delayed.insert(message.envelope.id, Delayed { due, position, message });
        }
        tables.effects.extend(changes.effects);
        let written = tables.write_out(staged, now, self.store.has(Bug::NumbersGivenTwice));
        drop(tables);
        for row in &written {
            database.ledger.committed(database.service, row);
        }
        for message in &self.new {
            database.ledger.kept(database.service, *message);
        }
        !written.is_empty()
    }

    fn forget_what_was_written(&self) {
        let mut tables = self.store.database.tables();
        let newest = tables.outbox.last_key_value().map(|(position, _)| *position);
        if let Some(position) = newest {
            tables.outbox.remove(&position);
        }
    }
}

impl Publish for Tx {}

impl Transaction for Tx {
    fn unit_of_work(&self) -> &UnitOfWork {
        &self.work
    }

    fn unit_of_work_mut(&mut self) -> &mut UnitOfWork {
        &mut self.work
    }

    fn is_new(&self, message: Uuid) -> bool {
        self.new.contains(&message)
    }

    async fn lock_cursors(&mut self, lines: &[String]) -> Result<Vec<(String, i64)>, StoreError> {
        self.store.ask("locks lines").await?;
        if !self.store.has(Bug::UnlockedLines) {
            for line in lines {
                self.store.lock(Lock::Line(line.clone()), self.number).await?;
            }
        }
        let tables = self.store.database.tables();
        Ok(lines.iter().map(|line| (line.clone(), tables.reached(line))).collect())
    }

    async fn advance_cursors(&mut self, reached: &[(String, i64)]) -> Result<(), StoreError> {
        self.store.ask("advances lines").await?;
        if self.store.has(Bug::LinesOutsideOfTheTransaction) {
            self.store.database.tables().lines.extend(reached.iter().cloned());
        } else if !self.store.has(Bug::LinesNotAdvanced) {
            self.changes.reached.extend_from_slice(reached);
        }
        Ok(())
    }

    async fn take_waiting(&mut self, message: Uuid) -> Result<Option<SetAside>, StoreError> {
        self.store.ask("takes out a waiting message").await?;
        let (mut tables, now) = (self.store.database.tables(), self.store.life.environment.now());
        let found = tables.set_aside.get(&message).filter(|kept| {
            // A message that waits for its predecessor may be taken at any time: the cursor decides whether it is next.
            kept.state == skeleton::store::State::Behind || tables.is_due(kept, now)
        });
        let Some(found) = found.cloned() else { return Ok(None) };
        if !tables.try_lock(&Lock::SetAside(message), self.number) {
            return Ok(None);
        }
        self.store.database.ledger().taken_out(message);
        if !self.store.has(Bug::WaitingNotTakenOut) {
            self.changes.taken_out.push(message);
        }
        Ok(Some(found))
    }

    async fn first_reply(&mut self, request: Uuid) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.ask("looks for the first reply").await?;
        Ok(self.store.database.tables().inbox.get(&request).and_then(|entry| entry.reply.clone()))
    }

    async fn keep_reply(&mut self, request: Uuid, reply: &[u8]) -> Result<(), StoreError> {
        self.store.ask("keeps a reply").await?;
        self.changes.replies.push((request, reply.to_vec()));
        Ok(())
    }

    async fn commit(mut self) -> Result<(), StoreError> {
        self.store.ask("commits").await?;
        if self.store.life.strikes(|odds| odds.refused) {
            return Err(StoreError::new(StoreErrorKind::Conflict, "memory: the commit is refused"));
        }
        let has_written = self.make_so();
        self.store.life.note(format_args!("has committed"));
        self.store.database.end(self.number);
        self.store.life.step("waits for the reply to its commit").await;
        if self.store.life.strikes(|odds| odds.reply_lost) {
            if has_written && self.store.has(Bug::OutboxLostWithTheReply) {
                self.forget_what_was_written();
            }
            return Err(StoreError::unavailable("memory: the reply is lost"));
        }
        if has_written {
            self.store.wakeup.notify_one();
        }
        self.work.committed();
        Ok(())
    }

    async fn rollback(self) {
        self.store.life.step("rolls back").await;
    }
}

impl Drop for Tx {
    fn drop(&mut self) {
        let staged = self.work.take_pending();
        if !staged.is_empty() && self.store.has(Bug::OutboxOutsideOfTheTransaction) {
            let now = self.store.life.environment.now();
            self.store.database.tables().write_out(staged, now, false);
        }
        self.store.database.end(self.number);
    }
}
