//! What the skeleton asks of a store for jobs: a record of each, whose turn it is, and who is to wait.

use std::future::Future;

use chrono::{DateTime, TimeDelta, Utc};
use events::Job;
use uuid::Uuid;

use super::{Publish, Signed, Store, checks};
use crate::failure::{Failure, StoreError};

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum JobState {
    /// In the queue, or kept until fewer of its name run.
    Queued,
    /// Between its first step and its end.
    Running,
    /// A step has failed and will be tried again.
    Waiting,
    /// A step is parked: a person decides.
    Failed,
    /// Stopped before its end: somebody cancelled it, or a step dropped its message.
    Cancelled,
    /// At its end.
    Done,
}

/// What is known of a job.
#[derive(Clone, Debug)]
pub struct JobRecord {
    /// Its id: that of its first message.
    pub id: Uuid,
    /// What kind of job it is: `import-file`.
    pub name: String,
    /// What no other job of the name has that is not at its end.
    pub key: Option<String>,
    /// How far it is.
    pub state: JobState,
    /// Whether somebody wants it to stop.
    pub is_to_stop: bool,
    /// How much of it is done, where it says so.
    pub done: Option<i64>,
    /// How much there is to do, where it says so.
    pub total: Option<i64>,
    /// What its last failure said.
    pub error: Option<String>,
    /// When it was put into the queue.
    pub queued_at: DateTime<Utc>,
    /// When its first step began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it came to its end.
    pub ended_at: Option<DateTime<Utc>>,
}

/// A job before its end whose next message is nowhere in the store: the broker has it, or it is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentJob {
    /// The job's id.
    pub id: Uuid,
    /// What kind of job it is.
    pub name: String,
    /// Its key.
    pub key: Option<String>,
    /// Its state.
    pub state: JobState,
    /// The message of its next step.
    pub step: Uuid,
    /// When the job was put into the queue.
    pub queued_at: DateTime<Utc>,
}

/// What was done about a job whose message was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mended {
    /// Its message was sent again under its id: if the first one is there after all, one of the two has no effect.
    Sent,
    /// Its last message had been handled: the job is done.
    Done,
    /// Its message is not known, or older than the inbox: the job failed.
    Failed,
    /// The same of a job that was to be cancelled: it is cancelled.
    Cancelled,
}

/// How long the inbox knows a message. After that, what is sent again could have its effect twice.
pub(crate) const INBOX_KEEPS: TimeDelta = TimeDelta::days(14);

/// What is to be done with a job's step that has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepAdmission {
    /// It is this job's turn.
    Now(Uuid),
    /// This job is to stop.
    Stop(Uuid),
    /// Too many of its name run: its message is kept until one of them ends.
    Later,
    /// The job is at its end.
    Never,
}

/// A store that records jobs.
pub trait JobRecords: Store<Tx: JobSteps> {
    /// The jobs of a name and a state, the newest first.
    fn list_jobs(
        &self,
        name: Option<&str>,
        state: Option<JobState>,
        limit: i64,
    ) -> impl Future<Output = Result<Vec<JobRecord>, StoreError>> + Send;

    /// One job.
    fn find_job(&self, id: Uuid) -> impl Future<Output = Result<Option<JobRecord>, StoreError>> + Send;

    /// Tries the parked step of a job again, with all its attempts before it, and keeps who said so. Whether there was one.
    fn retry_job(&self, id: Uuid, signed: &Signed) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// The jobs before their end whose next message is nowhere in the store, the oldest first; a thousand at most.
    fn sent_jobs(&self) -> impl Future<Output = Result<Vec<SentJob>, StoreError>> + Send;

    /// Makes room for so many jobs of a name at a time.
    fn open_slots(&self, name: &str, slots: u32) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// A transaction that works off jobs.
pub trait JobSteps: Publish {
    /// Takes up the step whose message is handled; `limit` is how many jobs of its name may run.
    fn begin_step(
        &mut self,
        name: &str,
        limit: Option<u32>,
        body: &[u8],
    ) -> impl Future<Output = Result<StepAdmission, StoreError>> + Send;

    /// Notes the message of a job's next step, and how much of the job is done and of how much, where that is known.
    fn continue_job(
        &mut self,
        job: Uuid,
        next: Uuid,
        progress: Option<(i64, i64)>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Notes a job's end.
    fn end_job(&mut self, job: Uuid, state: JobState) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Puts the job of a name that has been kept longest back into the queue, if there is room for it. Whether it has.
    fn admit(&mut self, name: &str, limit: u32) -> impl Future<Output = Result<bool, Failure>> + Send;

    /// Records a job under a key. Where another of that name and key is not at its end: its id.
    fn record_once(
        &mut self,
        id: Uuid,
        name: &str,
        key: &str,
    ) -> impl Future<Output = Result<Option<Uuid>, Failure>> + Send;

    /// The job of a name and key that is not at its end.
    fn find_keyed(&mut self, name: &str, key: &str) -> impl Future<Output = Result<Option<Uuid>, StoreError>> + Send;

    /// Has a job stop before its next step; what it has done stays. Whether it was not at its end.
    ///
    /// # Errors
    /// Where the store does not answer.
    fn cancel_job(&mut self, id: Uuid) -> impl Future<Output = Result<bool, Failure>> + Send;

    /// Sends the lost message of a job again, or ends the job where that cannot be. `None` where the job has gone on
    /// meanwhile, or its step runs.
    fn mend_job(&mut self, lost: &SentJob) -> impl Future<Output = Result<Option<Mended>, Failure>> + Send;

    /// Puts a job into the service's own queue, when and only when the transaction commits, unless one of the same name
    /// and key is there that is not at its end. Returns the id of the one that is there then.
    ///
    /// # Errors
    /// Rejects a job of more than 256 kB and a key of more than 1,024 bytes; fails where the store does not answer.
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

    /// Has the job of this kind and key stop before its next step. Whether there was one that was not at its end.
    ///
    /// # Errors
    /// Where the store does not answer.
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
    /// When the message of its next step was written: its id says so.
    pub fn sent_at(&self) -> DateTime<Utc> {
        let written = self.step.get_timestamp().and_then(|time| {
            let (seconds, nanoseconds) = time.to_unix();
            DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanoseconds)
        });
        written.unwrap_or(self.queued_at)
    }
}

impl JobState {
    /// Its word in stores and on the command line.
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

    /// The state of a word; stores keep no others.
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

/// `import-file` of `contacts.import-file.v1`: what a job is called, whatever its version.
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
