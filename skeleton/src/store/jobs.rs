//! Jobs in a store: a record of each, their admission, and their steps.

use std::future::Future;

use chrono::{DateTime, TimeDelta, Utc};
use events::Job;
use uuid::Uuid;

use super::{Publish, Signed, Store, checks};
use crate::failure::{Failure, StoreError};

/// The state of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum JobState {
    /// In the queue, or kept until fewer jobs of its name run.
    Queued,
    /// Between its first step and its end.
    Running,
    /// A step has failed and will be retried.
    Waiting,
    /// A step is parked until a person decides.
    Failed,
    /// Stopped before its end: it was cancelled, or a step's message was dropped.
    Cancelled,
    /// Finished.
    Done,
}

/// The record of a job.
#[derive(Clone, Debug)]
pub struct JobRecord {
    /// Its id: that of its first message.
    pub id: Uuid,
    /// The job's name, such as `import-file`.
    pub name: String,
    /// Its key, unique among the unfinished jobs of its name.
    pub key: Option<String>,
    /// Its state.
    pub state: JobState,
    /// Whether the job has been asked to stop.
    pub is_to_stop: bool,
    /// The amount done, if the job reports it.
    pub done: Option<i64>,
    /// The total amount, if the job reports it.
    pub total: Option<i64>,
    /// The text of its last failure.
    pub error: Option<String>,
    /// When it was enqueued.
    pub queued_at: DateTime<Utc>,
    /// When its first step began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
}

/// An unfinished job whose next message is not in the store: the broker has it, or it is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentJob {
    /// The job's id.
    pub id: Uuid,
    /// The job's name.
    pub name: String,
    /// Its key.
    pub key: Option<String>,
    /// Its state.
    pub state: JobState,
    /// The message of its next step.
    pub step: Uuid,
    /// When the job was enqueued.
    pub queued_at: DateTime<Utc>,
}

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

/// A transaction that runs jobs.
pub trait JobSteps: Publish {
    /// Begins the step of the current message; `limit` is the number of jobs of its name that may run.
    fn begin_step(
        &mut self,
        name: &str,
        limit: Option<u32>,
        body: &[u8],
    ) -> impl Future<Output = Result<StepAdmission, StoreError>> + Send;

    /// Records the message of a job's next step, and the amount done and the total, if known.
    fn continue_job(
        &mut self,
        job: Uuid,
        next: Uuid,
        progress: Option<(i64, i64)>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Records a job's end.
    fn end_job(&mut self, job: Uuid, state: JobState) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Puts the job of a name that has been kept longest back into the queue, if the limit allows. Returns whether it
    /// did.
    fn admit(&mut self, name: &str, limit: u32) -> impl Future<Output = Result<bool, Failure>> + Send;

    /// Records a job under a key. If another unfinished job has that name and key, returns its id.
    fn record_once(
        &mut self,
        id: Uuid,
        name: &str,
        key: &str,
    ) -> impl Future<Output = Result<Option<Uuid>, Failure>> + Send;

    /// Finds the unfinished job of a name and key.
    fn find_keyed(&mut self, name: &str, key: &str) -> impl Future<Output = Result<Option<Uuid>, StoreError>> + Send;

    /// Stops a job before its next step; its completed steps remain. Returns whether the job was unfinished.
    ///
    /// # Errors
    /// Fails if the store does not respond.
    fn cancel_job(&mut self, id: Uuid) -> impl Future<Output = Result<bool, Failure>> + Send;

    /// Sends the lost message of a job again, or ends the job if that is impossible. Returns `None` if the job has
    /// advanced in the meantime, or its step is running.
    fn mend_job(&mut self, lost: &SentJob) -> impl Future<Output = Result<Option<Mended>, Failure>> + Send;

    /// Puts a job into the service's own queue if and only if the transaction commits, unless an unfinished job has the
    /// same name and key. In that case, returns the id of that job.
    ///
    /// # Errors
    /// Rejects a job of more than 256 kB and a key of more than 1,024 bytes; fails if the store does not respond.
    fn enqueue_once<J: Job>(&mut self, key: &str, job: J) -> impl Future<Output = Result<Uuid, Failure>> + Send {
        async move {
            checks::key(key)?;
            let id = self.enqueue(job)?;
            let there = self.record_once(id, job_name(J::NAME), key).await?;
            if there.is_some() {
                self.unit_of_work_mut().unstage(id);
            }
            Ok(there.unwrap_or(id))
        }
    }

    /// Stops the job of this kind and key before its next step. Returns whether there was an unfinished one.
    ///
    /// # Errors
    /// Fails if the store does not respond.
    fn cancel_keyed<J: Job>(&mut self, key: &str) -> impl Future<Output = Result<bool, Failure>> + Send {
        async move {
            match self.find_keyed(job_name(J::NAME), key).await? {
                Some(id) => self.cancel_job(id).await,
                None => Ok(false),
            }
        }
    }
}

impl SentJob {
    /// When the message of its next step was written, read from its id.
    pub fn sent_at(&self) -> DateTime<Utc> {
        let written = self.step.get_timestamp().and_then(|time| {
            let (seconds, nanoseconds) = time.to_unix();
            DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanoseconds)
        });
        written.unwrap_or(self.queued_at)
    }
}

impl JobState {
    /// The word for the state in stores and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Done => "done",
        }
    }

    /// Parses the word that stores use; they keep no others.
    pub(crate) fn from_word(word: &str) -> Self {
        match word {
            "running" => Self::Running,
            "waiting" => Self::Waiting,
            "failed" => Self::Failed,
            "cancelled" => Self::Cancelled,
            "done" => Self::Done,
            _ => Self::Queued,
        }
    }
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
    fn when_a_message_was_sent_is_read_from_its_id() {
        let sent_at = DateTime::from_timestamp_millis(1_790_000_000_123).unwrap();
        let step = uuid::Builder::from_unix_timestamp_millis(1_790_000_000_123, &[7; 10]).into_uuid();
        let queued_at = sent_at - TimeDelta::days(1);
        let job = SentJob { id: step, name: String::new(), key: None, state: JobState::Queued, step, queued_at };

        assert_eq!(job.sent_at(), sent_at);
        assert_eq!(SentJob { step: Uuid::nil(), ..job }.sent_at(), queued_at);
    }

    #[test]
    fn a_job_is_called_the_same_in_all_versions() {
        assert_eq!(job_name("contacts.import-file.v1"), "import-file");
        assert_eq!(job_name("contacts.import-file.v12"), "import-file");
    }
}
