//! What the skeleton asks of a store for schedules: up to when each is settled, and which runs there were.

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
    /// When that was noted.
    pub noted_at: DateTime<Utc>,
    /// The job that it is; `None` where it was missed and is left out.
    pub job: Option<Uuid>,
}

/// A store that keeps schedules.
pub trait ScheduleRuns: Store<Tx: NoteRun> {
    /// Keeps a schedule's rhythm. One that is new or has changed is settled up to now. Returns up to when it is settled:
    /// every due time until then has been dealt with.
    fn adopt(
        &self,
        name: &str,
        rhythm: &str,
        now: DateTime<Utc>,
    ) -> impl Future<Output = Result<DateTime<Utc>, StoreError>> + Send;

    /// Up to when a schedule is settled; `None` where it has never been adopted.
    fn settled_until(&self, name: &str) -> impl Future<Output = Result<Option<DateTime<Utc>>, StoreError>> + Send;

    /// The newest run that was not left out.
    fn last_run(&self, name: &str) -> impl Future<Output = Result<Option<Run>, StoreError>> + Send;
}

/// A transaction that can settle a due time.
pub trait NoteRun: Publish {
    /// Settles a due time, and all before it. False where another transaction has settled it, or a later one.
    fn note_run(&mut self, name: &str, run: &Run) -> impl Future<Output = Result<bool, StoreError>> + Send;
}
