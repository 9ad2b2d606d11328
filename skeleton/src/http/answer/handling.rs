//! Runs the route of a request, within the limits on time and size.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use events::TraceParent;
use hyper::Request;
use hyper::body::{Body, Incoming};
use tower::Service;
use tracing::Instrument;
use warp::http::Method;

use super::Answers;
use crate::failure::Problem;
use crate::http::guard::{BodyProgress, Fault, GuardedBody};
use crate::http::origin::client_address;
use crate::http::problem::problem_response;
use crate::http::refusals::{internal_error, too_large, too_slow};
use crate::http::{ClientAddress, Response};
use crate::panics;

impl Answers {
    pub(super) async fn handle(&self, request: Request<Incoming>, trace: TraceParent, peer: IpAddr) -> Response {
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
