//! The states of jobs.

/// The state of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum JobState {
    /// In the queue, or kept until fewer jobs of its name run.
    Queued,
    /// Between its first step and its end.
    Running,
    /// A step has failed and will be retried.
    Waiting,
    /// A step is parked until an operator decides.
    Failed,
    /// Stopped before its end: it was cancelled, or a step's message was dropped.
    Cancelled,
    /// Finished.
    Done,
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
