//! Failures, of four kinds: retry, reject, drop, and bug.

use std::fmt;

use serde::{Deserialize, Serialize};

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

/// A state that must not occur.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bug {
    /// What happened.
    pub text: String,
    /// The stack, if the handler panicked.
    pub stack: Option<String>,
}

impl fmt::Display for Bug {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
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

const NOT_STORABLE: &str =
    "a value cannot be stored: texts must not contain NUL (U+0000), and times must be between the years 1 and 9999";

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error.kind {
            StoreErrorKind::Unavailable | StoreErrorKind::Conflict => Self::Retry(error),
            StoreErrorKind::Unstorable => Self::Reject(Problem::new(422, "value-not-storable", NOT_STORABLE)),
            StoreErrorKind::Broken => Self::bug(error),
        }
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Reject(problem)
    }
}

impl<R: Refusal> From<R> for Failure {
    fn from(refusal: R) -> Self {
        Self::Reject(Problem::from_refusal(&refusal))
    }
}

/// A refusal by the domain. Its text is written for the caller: lowercase, no full stop, says what is wrong and what to
/// do.
pub trait Refusal: std::error::Error {
    /// The HTTP status that fits best.
    fn status(&self) -> u16;

    /// A short machine-readable name, such as `email-taken`.
    fn code(&self) -> &'static str;

    /// The invalid field of the body, if the error concerns one.
    fn field(&self) -> Option<&'static str> {
        None
    }
}

/// The error that a caller gets (RFC 9457).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Problem {
    /// The kind of problem, such as `urn:kith:problem:email-taken`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong this time, and what to do.
    pub detail: String,
    /// The invalid fields, if the error is in the body.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// The number of seconds to wait before a retry, if a retry can succeed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
    /// The trace id to search for in the logs of all services, if the error is the service's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
}

/// One invalid field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldError {
    /// The field's name.
    pub field: String,
    /// What is wrong with it.
    pub detail: String,
}

impl Problem {
    /// A problem of a kind; the title is derived from the code.
    pub fn new(status: u16, code: &str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:kith:problem:{code}"),
            title: code.replace('-', " "),
            status,
            detail: detail.into(),
            errors: Vec::new(),
            retry_after: None,
            trace_id: None,
        }
    }

    /// The requested thing does not exist, or belongs to another account.
    pub fn not_found(what: &str) -> Self {
        Self::new(404, "not-found", format!("there is no such {what}"))
    }

    /// Temporarily unavailable: a retry may succeed.
    pub fn unavailable(detail: &str) -> Self {
        Self { retry_after: Some(1), ..Self::new(503, "unavailable", detail) }
    }

    fn from_refusal(refusal: &impl Refusal) -> Self {
        let errors = refusal.field().map(|field| FieldError { field: field.to_owned(), detail: refusal.to_string() });
        Self {
            errors: errors.into_iter().collect(),
            ..Self::new(refusal.status(), refusal.code(), refusal.to_string())
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}: {}", self.status, self.title, self.detail)
    }
}

/// An error of a store.
#[derive(Clone, Debug)]
pub struct StoreError {
    /// The effect on the work in progress.
    pub kind: StoreErrorKind,
    message: String,
    constraint: Option<String>,
}

/// The effect of a store error on the work in progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreErrorKind {
    /// The store does not respond: wait for it.
    Unavailable,
    /// A conflict with other work (deadlock, lost race, timeout): a retry may succeed.
    Conflict,
    /// The data contains a value that the store cannot hold, such as a NUL in a text: the sender's mistake.
    Unstorable,
    /// The query or its result is invalid: a bug.
    Broken,
}

impl StoreError {
    /// An error of the given kind.
    pub fn new(kind: StoreErrorKind, message: impl fmt::Display) -> Self {
        Self { kind, message: message.to_string(), constraint: None }
    }

    /// The query or its result is invalid.
    pub fn broken(message: impl fmt::Display) -> Self {
        Self::new(StoreErrorKind::Broken, message)
    }

    /// The store does not respond.
    pub fn unavailable(message: impl fmt::Display) -> Self {
        Self::new(StoreErrorKind::Unavailable, message)
    }

    /// Adds the name of the violated constraint.
    pub fn with_constraint(self, constraint: impl Into<String>) -> Self {
        Self { constraint: Some(constraint.into()), ..self }
    }

    /// Whether this constraint was violated.
    pub fn breaks(&self, constraint: &str) -> bool {
        self.constraint.as_deref() == Some(constraint)
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for StoreError {}
