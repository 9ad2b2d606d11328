//! What the skeleton asks of a store, whatever kind it is: transactions with an inbox and an outbox, and a place for
//! messages that have to wait.
//!
//! The relay, the consumer and the retry loop are written against these traits alone, so that they run against a
//! store in memory as well.

mod bookmarks;
pub(crate) mod checks;
mod decisions;
mod delays;
#[cfg(feature = "elasticsearch")]
pub mod elasticsearch;
mod hands;
pub mod jobs;
pub mod leases;
pub mod limits;
#[cfg(feature = "neo4j")]
pub mod neo4j;
mod outbox;
mod outgoing;
mod place;
#[cfg(feature = "postgres")]
pub mod postgres;
mod rebuildable;
mod sagas;
pub mod schedules;
mod set_aside;
mod slice;
mod work;

use std::{future::Future, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{config::Settings, failure::StoreError};

pub use bookmarks::Bookmarks;
pub(crate) use checks::MAX_BODY;
pub use decisions::{Act, Decision, Decisions, Fingerprint, Group, KEPT_DAYS, NotSigned, Signed};
pub use delays::{Delay, Delays};
pub use hands::{PipelineSlot, PipelinedBatch};
pub use jobs::{JobRecord, JobRecords, JobState, JobSteps, Mended, SentJob};
pub use leases::{Fenced, Lease, Leases};
pub use outbox::{Outbox, OutboxRow, Route};
pub(crate) use outgoing::in_all_versions;
pub use outgoing::{Outcome, Outgoing, Publisher};
pub use place::SequencePosition;
#[cfg(any(feature = "postgres", feature = "neo4j"))]
pub(crate) use place::past_given_up;
pub use rebuildable::Rebuildable;
pub use sagas::{KeepSagas, SagaPhase, SagaRow, SagaStep, SagaTimeout, Sagas};
pub use schedules::ScheduleRuns;
pub(crate) use set_aside::{EXACT, envelope_in, keepable};
pub use set_aside::{Filter, LinesToCheck, SetAside, State, moment};
pub(crate) use slice::page_limit;
pub use slice::{Slice, Sum};
pub use work::{Ending, PendingMessage, Publish, ServiceContext, UnitOfWork};

/// How a service gets its store: what is known before the settings are read.
pub trait StoreBuilder: Send + Sync + 'static {
    /// The store that comes out.
    type Store: Store;

    /// Opens the store. Does not wait for it to answer.
    ///
    /// # Errors
    /// Where a setting is wrong.
    fn open(&self, settings: &Settings) -> Result<Self::Store, StoreError>;
}

/// A store with transactions.
pub trait Store: Decisions + Clone + Send + Sync + 'static {
    /// One transaction: what a handler works in.
    type Tx: Transaction + 'static;

    /// Whether its transactions can keep how far lines have come. One that cannot has the latest win by itself, and can
    /// have nothing handled in order.
    const KEEPS_CURSORS: bool = true;

    /// What expires: what is older than the deduplication window (14 days), for instance. Names are those in metrics.
    const EXPIRING: &'static [&'static str];

    /// Begins a transaction and takes these messages in: each is handled in this transaction or in none. Which of
    /// them are new, [`Transaction::is_new`] tells.
    fn begin(
        &self,
        service: &Arc<ServiceContext>,
        inbox_ids: &[Uuid],
    ) -> impl Future<Output = Result<Self::Tx, StoreError>> + Send;

    /// Whether the store answers.
    fn ping(&self) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Brings the store's structure up to date, once however many replicas start.
    fn migrate(&self) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// How often a message has failed before.
    fn failures_of(&self, message: Uuid) -> impl Future<Output = Result<u32, StoreError>> + Send;

    /// Keeps a message that has to wait, in place of what was kept of it before.
    fn set_aside(&self, message: &SetAside) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Removes what is kept of a message that waits for its next attempt: it was handled without it.
    fn forget_waiting(&self, message: Uuid) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The messages of a queue whose wait is over, and those behind in these lines whose turn it is, longest overdue first;
    /// without messages of the names in `except`.
    fn due(
        &self,
        queue: &str,
        lines: &LinesToCheck,
        except: &[String],
        limit: i64,
    ) -> impl Future<Output = Result<Vec<Uuid>, StoreError>> + Send;

    /// The messages set aside that a filter lets through, oldest first.
    fn list_set_aside(
        &self,
        filter: &Filter,
        limit: i64,
    ) -> impl Future<Output = Result<Vec<SetAside>, StoreError>> + Send;

    /// How many messages wait to be sent, wait to be retried, and are parked. Costs about the same however many they are:
    /// exact up to 10,000 of each.
    fn counts(&self) -> impl Future<Output = Result<Counts, StoreError>> + Send;

    /// Whether this holder may remove what has expired: one replica at a time, for so long from now on.
    fn may_clean_up(&self, holder: &str, lasts: Duration) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Removes at most `limit` expired entries of a kind of [`Store::EXPIRING`], and returns how many it were. Fewer than
    /// `limit` means that none is left.
    fn clean_up(&self, kind: &str, limit: i64) -> impl Future<Output = Result<u64, StoreError>> + Send;
}

/// The lease of the replica that removes what has expired.
pub(crate) const CLEAN_UP_LEASE: &str = "skeleton-clean-up";

/// How many messages a store holds, by state.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counts {
    /// Written and not yet confirmed by the broker.
    pub outbox: i64,
    /// Seconds since the oldest of them was written.
    pub outbox_age_seconds: f64,
    /// Waiting for their next attempt.
    pub waiting: i64,
    /// Waiting for the message before them in their line.
    pub behind: i64,
    /// Set aside for a person to decide.
    pub parked: i64,
}

/// One transaction.
pub trait Transaction: Send {
    /// What the skeleton keeps beside the transaction.
    fn unit_of_work(&self) -> &UnitOfWork;

    /// The same, to write to.
    fn unit_of_work_mut(&mut self) -> &mut UnitOfWork;

    /// Whether a message that this transaction took in has not been handled before.
    fn is_new(&self, message: Uuid) -> bool;

    /// Another hand on this transaction, for a handler that begins before the one before it has ended. `None` where all
    /// statements go through one hand.
    fn hand(&self, _hand: PipelineSlot) -> Option<Self>
    where
        Self: Sized,
    {
        None
    }

    /// Takes over what a hand has left for the commit.
    fn take_over(&mut self, _hand: Self)
    where
        Self: Sized,
    {
    }

    /// Locks how far these lines have come until the transaction ends, and tells it: the number of the last message that
    /// was handled or given up. 0 where there was none. The lines come sorted.
    fn lock_cursors(&mut self, lines: &[String])
    -> impl Future<Output = Result<Vec<(String, i64)>, StoreError>> + Send;

    /// Notes how far lines have come that this transaction has locked.
    fn advance_cursors(&mut self, reached: &[(String, i64)]) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The same, and when the last event of each was written.
    fn advance_lines_at(
        &mut self,
        reached: &[(String, i64, DateTime<Utc>)],
    ) -> impl Future<Output = Result<(), StoreError>> + Send {
        let reached: Vec<(String, i64)> = reached.iter().map(|(line, last, _)| (line.clone(), *last)).collect();
        async move { self.advance_cursors(&reached).await }
    }

    /// When the last event of these lines was written, of those of which it is known.
    fn line_times(
        &mut self,
        _lines: &[String],
    ) -> impl Future<Output = Result<Vec<(String, DateTime<Utc>)>, StoreError>> + Send {
        async { Ok(Vec::new()) }
    }

    /// Whether a person has given up this number of a line.
    fn is_given_up(&mut self, _line: &str, _number: i64) -> impl Future<Output = Result<bool, StoreError>> + Send {
        async { Ok(false) }
    }

    /// Takes a waiting message out, locked against others. `None` where another has it, it waits no more, or it is not due: another may have tried it meanwhile.
    fn take_waiting(&mut self, message: Uuid) -> impl Future<Output = Result<Option<SetAside>, StoreError>> + Send;

    /// The reply that was given to this request before.
    fn first_reply(&mut self, request: Uuid) -> impl Future<Output = Result<Option<Vec<u8>>, StoreError>> + Send;

    /// Keeps the reply to a request that this transaction took in.
    fn keep_reply(&mut self, request: Uuid, reply: &[u8]) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Makes everything so, or nothing.
    fn commit(self) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Makes nothing so.
    fn rollback(self) -> impl Future<Output = ()> + Send;
}
