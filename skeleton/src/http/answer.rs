//! Handles one request up to the head of its response.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use events::TraceParent;
use futures::FutureExt;
use hyper::Request;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::sync::{Semaphore, watch};
use tower::Service;
use tracing::Instrument;
use warp::http::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS,
};
use warp::http::{Method, StatusCode, Version};

use super::guard::{BodyProgress, Fault, GuardedBody};
use super::problem::{internal_error, problem_response, too_large, too_slow, with_trace};
use super::{ClientAddress, HttpSettings, Response, Routes};
use crate::failure::Problem;
use crate::panics;
use crate::stop::Stop;
use crate::telemetry;

const X_TRACE_ID: HeaderName = HeaderName::from_static("x-trace-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The requests of one connection: how many arrived, and how many have no complete response yet.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Doing {
    pub(super) seen: u64,
    pub(super) running: usize,
}

/// Held from the head of a request to the last byte of its response.
pub(super) struct Busy(Arc<watch::Sender<Doing>>);

impl Busy {
    pub(super) fn begin(doing: Arc<watch::Sender<Doing>>) -> Self {
        doing.send_modify(|doing| (doing.seen, doing.running) = (doing.seen + 1, doing.running + 1));
        Self(doing)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.send_modify(|doing| doing.running -= 1);
    }
}

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

    async fn handle(&self, request: Request<Incoming>, trace: TraceParent, peer: IpAddr) -> Response {
        let limit = self.settings.body_limit(request.uri().path());
        if request.body().size_hint().lower() > limit {
            return problem_response(&too_large());
        }
        let Ok(permit) = Arc::clone(&self.handling).try_acquire_owned() else {
            return problem_response(&Problem::unavailable("too many concurrent requests: try again shortly"));
        };
        let progress = BodyProgress::begin();
        let changes_something =
            !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE);
        let address = client_address(request.headers(), peer, self.settings.trusted_proxies);
        let patience = self.settings.body_idle_timeout();
        let mut request = request.map(|body| GuardedBody::new(body, limit, patience, progress.clone()));
        request.extensions_mut().insert(trace);
        request.extensions_mut().insert(ClientAddress(address));

        // Inside the guard against panics: the first steps of a route already run when it is called.
        let mut routes = warp::service(self.routes.clone());
        let handled = panics::caught(async move { routes.call(request).await });
        let time_limit = self.settings.request_timeout();
        let work = async move {
            let _permit = permit;
            let response = match within(time_limit, &progress, handled).await {
                Some(Ok(Ok(response))) => response,
                Some(Err(panicked)) => {
                    tracing::error!(reason = panicked.text, stack = panicked.stack, "a request handler panicked");
                    problem_response(&internal_error())
                }
                None if progress.is_waiting() => problem_response(&too_slow()),
                None => problem_response(&Problem::new(
                    504,
                    "timed-out",
                    "the request timed out: check whether it took effect before you try again",
                )),
            };
            match progress.fault() {
                Some(Fault::TooLarge) if !response.status().is_success() => problem_response(&too_large()),
                Some(Fault::TooSlow) if !response.status().is_success() => problem_response(&too_slow()),
                Some(_) | None => response,
            }
        };
        if !changes_something {
            return work.await;
        }
        // A separate task: a request that changes something runs to its end even if the caller hangs up.
        tokio::spawn(work.in_current_span()).await.unwrap_or_else(|_| problem_response(&internal_error()))
    }
}

/// Runs work with a time limit, which restarts whenever more of the request's body arrives.
async fn within<T>(limit: Duration, progress: &BodyProgress, work: impl Future<Output = T>) -> Option<T> {
    let mut work = std::pin::pin!(work);
    loop {
        let deadline = progress.last() + limit;
        tokio::select! {
            biased;
            done = &mut work => return Some(done),
            () = tokio::time::sleep_until(deadline) => {}
        }
        if progress.last() + limit <= deadline {
            return None;
        }
    }
}

fn record(method: &Method, path: &str, status: StatusCode, took: Duration) {
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
fn path_without_ids(path: &str) -> String {
    let plain =
        |part: &str| part.len() <= 30 && part.bytes().all(|byte| byte.is_ascii_lowercase() || b"-_.".contains(&byte));
    let version = |part: &str| {
        part.len() <= 3 && part.strip_prefix('v').is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let parts = path.split('/').take(10).map(|part| if plain(part) || version(part) { part } else { "*" });
    parts.collect::<Vec<_>>().join("/")
}

/// The caller's trace if it is well-formed (W3C Trace Context, level 1); otherwise a new one.
fn trace_of(headers: &HeaderMap) -> TraceParent {
    let given = headers.get(TRACEPARENT).and_then(|value| value.to_str().ok()?.parse().ok());
    given.unwrap_or_else(|| TraceParent {
        trace_id: rand::random_range(1..=u128::MAX),
        span_id: rand::random_range(1..=u64::MAX),
        sampled: true,
    })
}

/// The peer, or behind N trusted proxies the N-th hop from the right. Hops further left can be forged.
fn client_address(headers: &HeaderMap, peer: IpAddr, trusted_proxies: u32) -> IpAddr {
    let Some(skipped) = (trusted_proxies as usize).checked_sub(1) else { return peer.to_canonical() };
    let lines = headers.get_all(X_FORWARDED_FOR).iter().rev();
    let mut hops = lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
    hops.nth(skipped).and_then(|hop| address_in(hop.trim())).unwrap_or(peer).to_canonical()
}

fn address_in(hop: &str) -> Option<IpAddr> {
    let bare = hop.trim_start_matches('[').trim_end_matches(']');
    bare.parse().ok().or_else(|| hop.parse::<std::net::SocketAddr>().ok().map(|address| address.ip()))
}

/// The body of a response. It keeps its connection busy. An event stream ends when the server stops.
pub(super) struct AnswerBody<B> {
    body: B,
    stopped: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    ended: bool,
    _busy: Busy,
}

/// Wraps a response's body so that an event stream ends when the server stops.
pub(super) fn ending<B>(response: hyper::Response<B>, stop: &Stop, busy: Busy) -> hyper::Response<AnswerBody<B>> {
    let kind = response.headers().get(CONTENT_TYPE);
    let streams = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    let stop = stop.clone();
    let stopped = streams.then(|| async move { stop.stopped().await }.boxed());
    response.map(|body| AnswerBody { body, stopped, ended: false, _busy: busy })
}

impl<B: Body<Data = Bytes> + Unpin> Body for AnswerBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if self.stopped.as_mut().is_some_and(|stopped| stopped.as_mut().poll(context).is_ready()) {
            self.ended = true;
            // Random, so that the clients do not all reconnect at the same moment.
            let farewell = format!("retry: {}\n\n", rand::random_range(500..2_500));
            return Poll::Ready(Some(Ok(Frame::data(farewell.into()))));
        }
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.ended || (self.stopped.is_none() && self.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        if self.stopped.is_some() { SizeHint::default() } else { self.body.size_hint() }
    }
}
