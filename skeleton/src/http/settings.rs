//! Settings of the HTTP server.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde::Deserialize;

use crate::config::range;

/// Settings of the HTTP server.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpSettings {
    /// The address to listen on.
    pub address: SocketAddr,
    /// How long a caller may take to send a request's head, and stay idle between two requests on HTTP/1.
    #[serde(deserialize_with = "range::at_least_1")]
    pub header_timeout_ms: u64,
    /// How long a caller may send nothing of a body it has begun, or read nothing of a response.
    #[serde(deserialize_with = "range::at_least_1")]
    pub body_idle_timeout_ms: u64,
    /// How long a handler may take until the head of its response, counted from the last byte of the body.
    #[serde(deserialize_with = "range::at_least_1")]
    pub request_timeout_ms: u64,
    /// How long requests and streams may continue after a stop.
    pub drain_ms: u64,
    /// Concurrent connections; more wait in the operating system's queue.
    #[serde(deserialize_with = "range::at_least_1")]
    pub max_connections: usize,
    /// Concurrent connections from one address; more are closed. Not used behind trusted proxies.
    #[serde(deserialize_with = "range::at_least_1")]
    pub max_connections_per_address: usize,
    /// Concurrent requests; more are refused with 503.
    #[serde(deserialize_with = "range::at_least_1")]
    pub max_concurrent_requests: usize,
    /// The largest body, unless its route allows more.
    #[serde(deserialize_with = "range::at_least_1")]
    pub max_body_bytes: u64,
    /// The number of trusted proxies in front of us, each adding one hop to `X-Forwarded-For`.
    pub trusted_proxies: u32,
    /// Paths (with everything below them) that have another body limit; set by the service, not in its settings.
    #[serde(skip)]
    pub body_limits: Vec<(String, u64)>,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            header_timeout_ms: 5_000,
            body_idle_timeout_ms: 10_000,
            request_timeout_ms: 10_000,
            drain_ms: 20_000,
            max_connections: 10_000,
            max_connections_per_address: 200,
            max_concurrent_requests: 1_024,
            max_body_bytes: 65_536,
            trusted_proxies: 0,
            body_limits: Vec::new(),
        }
    }
}

impl HttpSettings {
    /// Sets another body limit for a path and everything below it.
    pub fn allow_body(mut self, path: &str, bytes: u64) -> Self {
        self.body_limits.push((path.trim_end_matches('/').to_owned(), bytes));
        self
    }

    pub(super) fn body_limit(&self, path: &str) -> u64 {
        let below =
            |prefix: &str| path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let fitting = self.body_limits.iter().filter(|(prefix, _)| below(prefix));
        fitting.max_by_key(|(prefix, _)| prefix.len()).map_or(self.max_body_bytes, |(_, bytes)| *bytes)
    }

    pub(super) fn header_timeout(&self) -> Duration {
        Duration::from_millis(self.header_timeout_ms)
    }

    pub(super) fn body_idle_timeout(&self) -> Duration {
        Duration::from_millis(self.body_idle_timeout_ms)
    }

    pub(super) fn request_timeout(&self) -> Duration {
        Duration::from_millis(self.request_timeout_ms)
    }

    pub(super) fn drain(&self) -> Duration {
        Duration::from_millis(self.drain_ms)
    }
}
