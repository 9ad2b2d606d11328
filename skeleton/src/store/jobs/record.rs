//! The records of jobs.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::JobState;

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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use chrono::TimeDelta;

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
}
