//! Problems (RFC 9457): the errors that callers get.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Failure;

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
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}: {}", self.status, self.title, self.detail)
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Reject(problem)
    }
}
