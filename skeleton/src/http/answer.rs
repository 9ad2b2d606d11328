//! Handles one request up to the head of its response.

mod handling;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use hyper::Request;
use hyper::body::Incoming;
use tokio::sync::Semaphore;
use tracing::Instrument;
use warp::http::Version;
use warp::http::header::{CACHE_CONTROL, CONNECTION, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};

use super::access_log::{path_without_ids, record};
use super::origin::trace_of;
use super::problem::with_trace;
use super::{HttpSettings, Response, Routes};
use crate::stop::Stop;
use crate::telemetry;

const X_TRACE_ID: HeaderName = HeaderName::from_static("x-trace-id");

/// Answers requests with a service's routes.
pub(super) struct Answers {
    pub(super) routes: Routes,
    pub(super) settings: HttpSettings,
    /// One permit for each request in progress, on any connection, even if that connection is gone.
    pub(super) handling: Arc<Semaphore>,
    pub(super) stop: Stop,
}

impl Answers {
    /// Answers one request, logs it and counts it.
    pub(super) async fn answer(&self, request: Request<Incoming>, peer: IpAddr) -> Response {
        let begun = Instant::now();
        let trace = trace_of(request.headers());
        let trace_id = HeaderValue::from_str(&trace.trace_id_text());
        let method = request.method().clone();
        let keeps_alive_by_default = request.version() == Version::HTTP_11;
        let path = path_without_ids(request.uri().path());
        let span = telemetry::request_span(trace);

        let response = self.handle(request, trace, peer).instrument(span.clone()).await;
        let mut response = with_trace(response, trace);

        let headers = response.headers_mut();
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        if let Ok(trace_id) = trace_id {
            headers.insert(X_TRACE_ID, trace_id);
        }
        if keeps_alive_by_default && self.stop.is_announced() {
            // The next request uses another connection, which a balancer opens to another replica.
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        span.in_scope(|| record(&method, &path, response.status(), begun.elapsed()));
        response
    }
}
