//! Failures, of four kinds: retry, reject, drop, and bug.

mod bug;
mod problem;
mod refusal;
mod store_error;

use std::fmt;

pub use self::bug::Bug;
pub use self::problem::{FieldError, Problem};
pub use self::refusal::Refusal;
pub use self::store_error::{StoreError, StoreErrorKind};

/// The result of a handler: `()` for events and job steps, the reply for requests.
pub type HandlerResult<T = ()> = Result<T, Failure>;

/// Why a handler failed; it decides what happens to the message.
#[derive(Debug)]
pub enum Failure {
    /// A transient failure: the message is handled again later.
    Retry(StoreError),
    /// A permanent refusal by the domain: the message is parked, and the caller gets the problem.
    Reject(Problem),
    /// The message has no effect here and needs none: it is acknowledged and counted, and never parked. The text is the
    /// reason, for the log.
    Drop(String),
    /// A state that must not occur: reported as a bug, and retried in case it is transient.
    Bug(Bug),
}

impl Failure {
    /// A transient failure, for an error that would be converted to another kind.
    pub fn retry(error: impl fmt::Display) -> Self {
        Self::Retry(StoreError::new(StoreErrorKind::Conflict, error))
    }

    /// A state that must not occur.
    pub fn bug(error: impl fmt::Display) -> Self {
        Self::Bug(Bug { text: error.to_string(), stack: None })
    }

    /// A message that has no effect here: acknowledged and counted, never parked.
    pub fn drop(reason: impl fmt::Display) -> Self {
        Self::Drop(reason.to_string())
    }

    /// The stack of a panic.
    pub(crate) fn stack(&self) -> Option<&str> {
        match self {
            Self::Bug(bug) => bug.stack.as_deref(),
            Self::Retry(_) | Self::Reject(_) | Self::Drop(_) => None,
        }
    }

    /// Whether the store is unreachable: nothing is wrong with the message.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Retry(error) if error.kind == StoreErrorKind::Unavailable)
    }

    /// The problem that the caller gets.
    pub fn into_problem(self) -> Problem {
        match self {
            Self::Reject(problem) => problem,
            // The caller waits for a reply: a request cannot be dropped without one.
            Self::Drop(reason) => Problem::new(422, "dropped", reason),
            Self::Retry(_) => Problem::unavailable("the service is temporarily unavailable: try again in a moment"),
            Self::Bug(_) => Problem::new(500, "internal-error", "something went wrong on our side"),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Retry(error) => write!(formatter, "{error}"),
            Self::Reject(problem) => write!(formatter, "{}", problem.detail),
            Self::Drop(reason) => formatter.write_str(reason),
            Self::Bug(bug) => write!(formatter, "{bug}"),
        }
    }
}

impl std::error::Error for Failure {}
