//! The interface between the skeleton and a store of any kind: transactions with an inbox and an outbox, and storage
//! for messages that are set aside.
//!
//! The relay, the consumer and the retry loop use only these traits, so that they also run against an in-memory store.

mod bookmarks;
pub(crate) mod checks;
mod decisions;
mod delays;
#[cfg(feature = "elasticsearch")]
pub mod elasticsearch;
pub mod jobs;
pub mod leases;
pub mod limits;
#[cfg(any(feature = "postgres", feature = "neo4j"))]
mod migrated;
#[cfg(feature = "neo4j")]
pub mod neo4j;
mod outbox;
mod outgoing;
mod pipelined_batch;
#[cfg(feature = "postgres")]
pub mod postgres;
mod publish;
mod rebuildable;
mod sagas;
pub mod schedules;
mod sequence_position;
mod set_aside;
mod slice;
pub(crate) mod target;
mod work;

use std::{future::Future, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    config::{Settings, SettingsError},
    failure::StoreError,
};

pub use bookmarks::Bookmarks;
pub(crate) use checks::MAX_BODY;
pub use decisions::{Act, Decision, Decisions, Fingerprint, Group, KEPT_DAYS, NotSigned, Signed};
pub use delays::{Delay, Delays};
pub use jobs::{JobRecord, JobRecords, JobState, JobSteps, Mended, SentJob};
pub use leases::{Fenced, Lease, Leases};
pub use outbox::{COUNTED, Outbox, OutboxRow, Route};
pub(crate) use outgoing::in_all_versions;
pub use outgoing::{Outcome, Outgoing, Publisher};
pub use pipelined_batch::{PipelineSlot, PipelinedBatch};
pub use publish::Publish;
pub use rebuildable::Rebuildable;
pub use sagas::{KeepSagas, SagaPhase, SagaRow, SagaStep, SagaTimeout, Sagas};
pub use schedules::ScheduleRuns;
pub use sequence_position::SequencePosition;
#[cfg(any(feature = "postgres", feature = "neo4j"))]
pub(crate) use sequence_position::past_given_up;
#[cfg(test)]
pub(crate) use set_aside::envelope_in;
pub use set_aside::{CursorsToCheck, Filter, SetAside, State, moment};
pub(crate) use set_aside::{EXACT, keepable, kept_headers};
pub(crate) use slice::page_limit;
pub use slice::{Slice, Sum};
pub use work::{Ending, PendingMessage, ServiceContext, UnitOfWork};

/// Builds the store of a service. It exists before the settings are read.
pub trait StoreBuilder: Send + Sync + 'static {
    /// The type of the store.
    type Store: Store;

    /// Opens the store. Does not wait for a connection.
    ///
    /// # Errors
    /// Fails if a setting is invalid.
    fn open(&self, settings: &Settings) -> Result<Self::Store, SettingsError>;
}

/// A store with transactions.
pub trait Store: Decisions + Clone + Send + Sync + 'static {
    /// The transaction that a handler works in.
    type Tx: Transaction + 'static;

    /// Whether transactions can keep subject cursors. A store without them implements latest-wins itself and cannot
    /// handle events in order.
    const KEEPS_CURSORS: bool = true;

    /// The kinds of entries that expire, for instance when they are older than the deduplication window (14 days). The
    /// names are those used in metrics.
    const EXPIRING: &'static [&'static str];

    /// How long the server may refuse a correct login while it starts. A start waits as long before it ends.
    const REFUSES_FOR: Duration = Duration::ZERO;

    /// Begins a transaction and records these messages in the inbox: each is handled in this transaction or not at all.
    /// [`Transaction::is_new`] reports which of them are new.
    fn begin(
        &self,
        service: &Arc<ServiceContext>,
        inbox_ids: &[Uuid],
    ) -> impl Future<Output = Result<Self::Tx, StoreError>> + Send;

    /// Checks that the store responds. It may be empty.
    fn ping(&self) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Checks that the store responds and is the one that [`migrate`](Self::migrate) has migrated. One that was emptied or
    /// replaced since is unavailable, on Postgres and Neo4j even if another process has migrated it.
    fn check(&self) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Migrates the store's structure. If several replicas start at once, each migration runs once.
    fn migrate(&self) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Returns the number of failed attempts of a message.
    fn failures_of(&self, message: Uuid) -> impl Future<Output = Result<u32, StoreError>> + Send;

    /// Sets a message aside and replaces an earlier entry for it.
    fn set_aside(&self, message: &SetAside) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Removes the entry of a message that waits for its next attempt, because it was handled another way.
    fn forget_waiting(&self, message: Uuid) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Returns messages of a queue that are due, and those waiting for a predecessor in these lines whose turn has
    /// come, longest overdue first. Leaves out messages whose names are in `except`.
    fn due(
        &self,
        queue: &str,
        lines: &CursorsToCheck,
        except: &[String],
        limit: i64,
    ) -> impl Future<Output = Result<Vec<Uuid>, StoreError>> + Send;

    /// Returns the set-aside messages that match a filter, oldest first.
    fn list_set_aside(
        &self,
        filter: &Filter,
        limit: i64,
    ) -> impl Future<Output = Result<Vec<SetAside>, StoreError>> + Send;

    /// Counts the messages in the outbox, those waiting for a retry, and those parked. Each count is exact up to
    /// 10,000, so that the cost hardly depends on the number of messages.
    fn counts(&self) -> impl Future<Output = Result<Counts, StoreError>> + Send;

    /// Claims the right to remove expired entries, for this long from now. One replica holds it at a time.
    fn may_clean_up(&self, holder: &str, lasts: Duration) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Removes at most `limit` expired entries of a kind in [`Store::EXPIRING`] and returns their number. A result
    /// below `limit` means that none is left.
    fn clean_up(&self, kind: &str, limit: i64) -> impl Future<Output = Result<u64, StoreError>> + Send;
}

/// The lease of the replica that removes expired entries.
pub(crate) const CLEAN_UP_LEASE: &str = "skeleton-clean-up";

/// The names of kinds of expiring entries, each given with the statement that deletes them.
#[cfg(any(feature = "postgres", feature = "neo4j"))]
pub(crate) const fn names_of<const N: usize>(kinds: [(&'static str, &'static str); N]) -> [&'static str; N] {
    let mut names = [""; N];
    let mut nth = 0;
    while nth < N {
        names[nth] = kinds[nth].0;
        nth += 1;
    }
    names
}

/// The number of messages in a store, by state.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counts {
    /// Written and not yet confirmed by the broker.
    pub outbox: i64,
    /// Seconds since the oldest message in the outbox was written.
    pub outbox_age_seconds: f64,
    /// Waiting for their next attempt.
    pub waiting: i64,
    /// Waiting for their predecessor in their line.
    pub behind: i64,
    /// Parked until an operator decides.
    pub parked: i64,
}

/// One transaction.
pub trait Transaction: Send {
    /// The skeleton's own state beside the transaction.
    fn unit_of_work(&self) -> &UnitOfWork;

    /// Mutable access to the same state.
    fn unit_of_work_mut(&mut self) -> &mut UnitOfWork;

    /// Whether a message recorded in this transaction's inbox has not been handled before.
    fn is_new(&self, message: Uuid) -> bool;

    /// Another handle to this transaction, for a handler that starts before the previous one has ended. `None` if the
    /// store does not pipeline statements.
    fn hand(&self, _hand: PipelineSlot) -> Option<Self>
    where
        Self: Sized,
    {
        None
    }

    /// Takes over from a pipeline slot what has to be committed.
    fn take_over(&mut self, _hand: Self)
    where
        Self: Sized,
    {
    }

    /// Locks the cursors of these lines until the transaction ends, and returns them: the number of the last message
    /// that was handled or given up, or 0 if there is none. The lines are sorted.
    fn lock_cursors(&mut self, lines: &[String])
    -> impl Future<Output = Result<Vec<(String, i64)>, StoreError>> + Send;

    /// Advances cursors that this transaction has locked.
    fn advance_cursors(&mut self, reached: &[(String, i64)]) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Like [`Transaction::advance_cursors`], and also records when the last event of each line was written.
    fn advance_lines_at(
        &mut self,
        reached: &[(String, i64, DateTime<Utc>)],
    ) -> impl Future<Output = Result<(), StoreError>> + Send {
        let reached: Vec<(String, i64)> = reached.iter().map(|(line, last, _)| (line.clone(), *last)).collect();
        async move { self.advance_cursors(&reached).await }
    }

    /// Returns when the last event of each of these lines was written, where it is known.
    fn line_times(
        &mut self,
        _lines: &[String],
    ) -> impl Future<Output = Result<Vec<(String, DateTime<Utc>)>, StoreError>> + Send {
        async { Ok(Vec::new()) }
    }

    /// Whether an operator has given up this number of a line.
    fn is_given_up(&mut self, _line: &str, _number: i64) -> impl Future<Output = Result<bool, StoreError>> + Send {
        async { Ok(false) }
    }

    /// Takes out a waiting message and locks it. Returns `None` if another transaction has locked it, it no longer
    /// waits, or it is not due because another replica has tried it in the meantime.
    fn take_waiting(&mut self, message: Uuid) -> impl Future<Output = Result<Option<SetAside>, StoreError>> + Send;

    /// Returns the stored reply to a request.
    fn first_reply(&mut self, request: Uuid) -> impl Future<Output = Result<Option<Vec<u8>>, StoreError>> + Send;

    /// Stores the reply to a request that this transaction has recorded in the inbox.
    fn keep_reply(&mut self, request: Uuid, reply: &[u8]) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Commits atomically.
    fn commit(self) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Rolls the transaction back.
    fn rollback(self) -> impl Future<Output = ()> + Send;
}
