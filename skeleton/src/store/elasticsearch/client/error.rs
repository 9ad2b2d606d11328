//! The errors of calls.

use serde_json::Value;

use crate::failure::{StoreError, StoreErrorKind};

/// Why a call failed.
#[derive(Debug)]
pub enum CallError {
    /// The server did not respond in time, or not in JSON.
    Unanswered(String),
    /// The server refused the call.
    Refused(Refused),
    /// A step of several calls failed.
    Failed(StoreError),
}

/// The server's refusal.
#[derive(Debug)]
pub struct Refused {
    /// The HTTP status.
    pub status: u16,
    /// The server's error type, such as `version_conflict_engine_exception`.
    pub kind: String,
    /// The path of the call.
    pub what: String,
}

impl Refused {
    /// Creates a refusal from an error of the server. Its reason is left out: it may contain a document's values.
    pub fn new(status: u16, error: &Value, what: &str) -> Self {
        let mut kind = error["type"].as_str().unwrap_or("no reason given").to_owned();
        if let Some(cause) = error["caused_by"]["type"].as_str() {
            kind = format!("{kind}, {cause}");
        }
        // A field name is part of the schema, not a value.
        if let Some((_, rest)) = error["reason"].as_str().and_then(|reason| reason.split_once("field [")) {
            kind = format!("{kind}, field {}", rest.split(']').next().unwrap_or_default());
        }
        Self { status, kind, what: what.to_owned() }
    }

    /// The kind of store error that the refusal amounts to.
    pub fn store_error_kind(&self) -> StoreErrorKind {
        // A blocked, closed or missing index and a failed login are not caused by a message: an operator has to act.
        let passing = ["cluster_block_exception", "index_closed_exception", "index_not_found_exception"];
        let blocked = passing.iter().any(|kind| self.kind.starts_with(kind));
        match self.status {
            _ if blocked => StoreErrorKind::Unavailable,
            401 | 403 | 408 | 429 | 500.. => StoreErrorKind::Unavailable,
            409 => StoreErrorKind::Conflict,
            _ => StoreErrorKind::Broken,
        }
    }
}

impl CallError {
    /// Whether the server refused with this status.
    pub fn has_status(&self, status: u16) -> bool {
        matches!(self, Self::Refused(refused) if refused.status == status)
    }

    /// Whether the server refused for this reason.
    pub fn is(&self, kind: &str) -> bool {
        matches!(self, Self::Refused(refused) if refused.kind.starts_with(kind))
    }
}

impl From<Refused> for StoreError {
    fn from(refused: Refused) -> Self {
        let Refused { status, kind, what } = &refused;
        Self::new(refused.store_error_kind(), format!("elasticsearch: {what}: {kind} ({status})"))
    }
}

impl From<CallError> for StoreError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Unanswered(why) => Self::unavailable(format!("elasticsearch: {why}")),
            CallError::Refused(refused) => refused.into(),
            CallError::Failed(error) => error,
        }
    }
}

impl From<StoreError> for CallError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}
