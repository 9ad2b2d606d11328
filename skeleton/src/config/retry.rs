//! The sections about retries.

use serde::Deserialize;

use super::range;

/// Retries of a message whose handler fails.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetrySettings {
    /// The delay before each next attempt, in milliseconds. After the last attempt the message is parked.
    pub waits_ms: Vec<u64>,
    /// Jitter, as a fraction of the delay.
    #[serde(deserialize_with = "range::fraction")]
    pub jitter: f64,
    /// The time limit for one handler call, in milliseconds.
    #[serde(deserialize_with = "range::at_least_1")]
    pub handler_timeout_ms: u64,
    /// The interval at which due messages are polled, in milliseconds.
    #[serde(deserialize_with = "range::at_least_1")]
    pub poll_ms: u64,
    /// A message that was delivered more often than this without an outcome is handled alone, and its attempts are
    /// counted.
    pub suspect_after: u32,
}

/// Overrides for one consumer: the sections `[retry_events]` and `[retry_jobs]`, or the service's assembly.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetryOverrides {
    /// See [`RetrySettings::waits_ms`].
    pub waits_ms: Option<Vec<u64>>,
    /// See [`RetrySettings::jitter`].
    #[serde(default, deserialize_with = "range::optional_fraction")]
    pub jitter: Option<f64>,
    /// See [`RetrySettings::handler_timeout_ms`].
    #[serde(default, deserialize_with = "range::optional_at_least_1")]
    pub handler_timeout_ms: Option<u64>,
}

impl RetrySettings {
    /// Applies overrides.
    pub fn merged_with(&self, otherwise: &RetryOverrides) -> Self {
        Self {
            waits_ms: otherwise.waits_ms.clone().unwrap_or_else(|| self.waits_ms.clone()),
            jitter: otherwise.jitter.unwrap_or(self.jitter),
            handler_timeout_ms: otherwise.handler_timeout_ms.unwrap_or(self.handler_timeout_ms),
            ..self.clone()
        }
    }
}
