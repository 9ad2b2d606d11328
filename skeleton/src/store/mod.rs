//! What the skeleton asks of a store, whatever kind it is: transactions with an inbox and an outbox, and a place for
//! messages that have to wait.
//!
//! The relay, the consumer and the retry loop are written against these traits alone, so that they run against a
//! store in memory as well.

mod bookmarks;
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
#[cfg(feature = "postgres")]
pub mod postgres;
mod sagas;
pub mod schedules;
mod set_aside;
mod work;

use std::{future::Future, sync::Arc};

use tokio::sync::Notify;
use uuid::Uuid;

use crate::{config::Settings, failure::StoreError};

pub use bookmarks::Bookmarks;
pub use decisions::{Act, Decision, Decisions, Fingerprint, Group, KEPT_DAYS, NotSigned, Signed};
pub use delays::{Delay, Delays};
pub use hands::{Hand, Hands};
pub use jobs::{JobRecord, JobRecords, JobState, JobSteps};
pub use leases::{Fenced, Lease, Leases};
pub use sagas::{KeepSagas, SagaPhase, SagaRow, SagaStep, SagaTimeout, Sagas};
pub use schedules::ScheduleRuns;
pub(crate) use set_aside::keepable;
pub use set_aside::{Filter, LinesToCheck, SetAside, State, moment};
pub(crate) use work::MAX_BODY;
pub use work::{Ending, Publish, ServiceContext, Staged, Work};

/// How a service gets its store: what is known before the settings are read.
pub trait Plan: Send + Sync + 'static {
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
    const KEEPS_LINES: bool = true;

    /// Begins a transaction and takes these messages in: each is handled in this transaction or in none. Which of
    /// them are new, [`Transaction::is_new`] tells.
    fn begin(
        &self,
        service: &Arc<ServiceContext>,
        take_in: &[Uuid],
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

    /// How many messages wait to be sent, wait to be retried, and are parked.
    fn counts(&self) -> impl Future<Output = Result<Counts, StoreError>> + Send;

    /// Forgets what is older than the deduplication window (14 days).
    fn clean_up(&self) -> impl Future<Output = Result<u64, StoreError>> + Send;
}

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
    fn work(&self) -> &Work;

    /// The same, to write to.
    fn work_mut(&mut self) -> &mut Work;

    /// Whether a message that this transaction took in has not been handled before.
    fn is_new(&self, message: Uuid) -> bool;

    /// Another hand on this transaction, for a handler that begins before the one before it has ended. `None` where all
    /// statements go through one hand.
    fn hand(&self, _hand: Hand) -> Option<Self>
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
    fn lock_lines(&mut self, lines: &[String]) -> impl Future<Output = Result<Vec<(String, i64)>, StoreError>> + Send;

    /// Notes how far lines have come that this transaction has locked.
    fn advance_lines(&mut self, reached: &[(String, i64)]) -> impl Future<Output = Result<(), StoreError>> + Send;

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

/// A store whose transactions publish: the relay's side of it.
pub trait Outbox: Store {
    /// The oldest messages to send. `None` while another replica relays.
    fn next(&self, limit: i64) -> impl Future<Output = Result<Option<Vec<OutboxRow>>, StoreError>> + Send;

    /// Forgets messages that the broker has confirmed.
    fn remove(&self, positions: &[i64]) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Lets another replica relay from now on, where this one did: it need not wait until this one is known to be gone.
    fn resign(&self) -> impl Future<Output = ()> + Send;

    /// Rings when a transaction of this process has committed messages.
    fn bell(&self) -> &Notify;
}

/// A message as the outbox keeps it.
#[derive(Clone, Debug)]
pub struct OutboxRow {
    /// Its place in the outbox.
    pub position: i64,
    /// Where it goes.
    pub exchange: String,
    /// With which routing key.
    pub routing_key: String,
    /// Its envelope, complete.
    pub envelope: events::Envelope,
    /// Its data.
    pub body: Vec<u8>,
}
