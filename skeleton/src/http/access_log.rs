//! The log line and the metrics of an answered request.

use std::time::Duration;

use warp::http::{Method, StatusCode};

/// Logs and counts an answered request.
pub(super) fn record(method: &Method, path: &str, status: StatusCode, took: Duration) {
    let duration_ms = took.as_secs_f64() * 1_000.0;
    if path.starts_with("/health/") || path == "/metrics" {
        tracing::debug!(%method, path, status = status.as_u16(), duration_ms, "answered");
    } else {
        tracing::info!(%method, path, status = status.as_u16(), duration_ms, "answered");
    }
    let method = match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    };
    metrics::counter!("http_requests_total", "method" => method, "status" => status.as_str().to_owned()).increment(1);
    metrics::histogram!("http_request_duration_seconds", "method" => method).record(took.as_secs_f64());
}

/// The path with `*` for each part that is not a plain lowercase word: ids and addresses do not belong in a log.
pub(super) fn path_without_ids(path: &str) -> String {
    let plain =
        |part: &str| part.len() <= 30 && part.bytes().all(|byte| byte.is_ascii_lowercase() || b"-_.".contains(&byte));
    let version = |part: &str| {
        part.len() <= 3 && part.strip_prefix('v').is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let parts = path.split('/').take(10).map(|part| if plain(part) || version(part) { part } else { "*" });
    parts.collect::<Vec<_>>().join("/")
}
