//! Schedules in a store: the time until which each is settled, and its runs.

use std::future::Future;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Publish, Store};
use crate::failure::StoreError;

/// A run of a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// When it was due.
    pub due_at: DateTime<Utc>,
    /// When the run was recorded.
    pub noted_at: DateTime<Utc>,
    /// The job that was enqueued; `None` if the run was missed and skipped.
    pub job: Option<Uuid>,
}

/// A store that keeps schedules.
pub trait ScheduleRuns: Store<Tx: NoteRun> {
    /// Stores a schedule's cron expression. A new or changed schedule is settled until now. Returns the time until
    /// which it is settled: every due time until then has been processed.
    fn adopt(
        &self,
        name: &str,
        rhythm: &str,
        now: DateTime<Utc>,
    ) -> impl Future<Output = Result<DateTime<Utc>, StoreError>> + Send;

    /// The time until which a schedule is settled; `None` if it has never been adopted.
    fn settled_until(&self, name: &str) -> impl Future<Output = Result<Option<DateTime<Utc>>, StoreError>> + Send;

    /// The latest run that was not skipped.
    fn last_run(&self, name: &str) -> impl Future<Output = Result<Option<Run>, StoreError>> + Send;
}

/// A transaction that can settle a due time.
pub trait NoteRun: Publish {
    /// Settles a due time and all before it. Returns false if another transaction has settled it, or a later one.
    fn note_run(&mut self, name: &str, run: &Run) -> impl Future<Output = Result<bool, StoreError>> + Send;
}
