//! Sections about requests, the admin port, the life of the process, and logs.

use serde::Deserialize;

use super::{Secret, range};

/// Requests, sent and served.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestSettings {
    /// The number of requests served at the same time.
    #[serde(deserialize_with = "range::at_least_1")]
    pub concurrency: usize,
    /// The time to wait for a reply, in milliseconds.
    #[serde(deserialize_with = "range::at_least_1")]
    pub timeout_ms: u64,
    /// The number of requests per second allowed to one caller.
    #[serde(deserialize_with = "range::at_least_1")]
    pub per_caller_per_second: u32,
}

/// The admin port: health, metrics, and pages about parked messages.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdminSettings {
    /// The listen address.
    pub address: std::net::SocketAddr,
    /// Host names under which the pages may be requested, besides addresses and `localhost`; separated by commas.
    #[serde(default)]
    pub hosts: String,
}

/// Startup and shutdown.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LifeSettings {
    /// The time to wait for the store at startup, in seconds, before the process exits. The broker may come later: until
    /// then the service is not ready.
    pub startup_timeout_s: u64,
    /// The time that the public port stays open after readiness goes off, in milliseconds, so that load balancers
    /// notice.
    pub notice_ms: u64,
    /// The time limit for work in progress to finish after that, in milliseconds.
    pub drain_ms: u64,
}

/// Logs and error reports.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogSettings {
    /// The log filter, in the syntax of `RUST_LOG`.
    #[serde(deserialize_with = "range::log_filter")]
    pub filter: String,
    /// The Sentry DSN that bugs are reported to; empty for no reports.
    #[serde(default)]
    pub sentry_dsn: Secret,
}
