//! Jobs in a store: a record of each, their admission, and their steps.

mod record;
mod state;
mod steps;

use std::future::Future;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

pub use self::record::{JobRecord, SentJob};
pub use self::state::JobState;
pub use self::steps::JobSteps;
use super::{Signed, Store};
use crate::failure::StoreError;

/// How a job whose message was lost was repaired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mended {
    /// Its message was sent again under the same id. If the first one still arrives, the inbox ignores one of the two.
    Sent,
    /// Its last message had been handled: the job is done.
    Done,
    /// Its message is unknown, or older than the inbox: the job failed.
    Failed,
    /// As `Failed`, for a job that was to be cancelled: it is cancelled.
    Cancelled,
}

/// How long the inbox keeps a message. After that, a message that is sent again could take effect twice.
pub(crate) const INBOX_KEEPS: TimeDelta = TimeDelta::days(14);

/// How to proceed with a job's step that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepAdmission {
    /// The step may run.
    Now(Uuid),
    /// The job has to stop.
    Stop(Uuid),
    /// Too many jobs of its name are running: the message is kept until one of them ends.
    Later,
    /// The job has ended.
    Never,
}

/// A store that keeps job records.
pub trait JobRecords: Store<Tx: JobSteps> {
    /// The jobs of a name and a state, the newest first.
    fn list_jobs(
        &self,
        name: Option<&str>,
        state: Option<JobState>,
        limit: i64,
    ) -> impl Future<Output = Result<Vec<JobRecord>, StoreError>> + Send;

    /// Finds one job.
    fn find_job(&self, id: Uuid) -> impl Future<Output = Result<Option<JobRecord>, StoreError>> + Send;

    /// Retries the parked step of a job with all its attempts, and records who decided it. Returns whether there was
    /// one.
    fn retry_job(&self, id: Uuid, signed: &Signed) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// A page of the unfinished jobs whose next message was written before a time and is not in the store, the oldest
    /// first: those after the last job of the page before. An empty page is the last.
    fn sent_jobs(
        &self,
        before: DateTime<Utc>,
        after: Option<&SentJob>,
    ) -> impl Future<Output = Result<Vec<SentJob>, StoreError>> + Send;

    /// Sets the number of jobs of a name that may run at a time.
    fn open_slots(&self, name: &str, slots: u32) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// The name of a job in any version: `import-file` of `contacts.import-file.v1`.
pub(crate) fn job_name(full: &str) -> &str {
    let (name, _) = full.rsplit_once(".v").unwrap_or((full, ""));
    name.split_once('.').map_or(name, |(_, name)| name)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_called_the_same_in_all_versions() {
        assert_eq!(job_name("contacts.import-file.v1"), "import-file");
        assert_eq!(job_name("contacts.import-file.v12"), "import-file");
    }
}
