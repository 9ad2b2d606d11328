//! Health as it is shown.

use serde::Serialize;

/// One check in a response.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CheckView {
    /// What is checked.
    pub name: String,
    /// Whether the check passes.
    pub ok: bool,
    /// Whether readiness depends on it.
    pub required: bool,
    /// Why it fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Whether this process is ready, as in a response.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReadyView {
    /// `ready`, `starting`, `draining` or `failing`.
    pub status: &'static str,
    /// All checks.
    pub checks: Vec<CheckView>,
}
