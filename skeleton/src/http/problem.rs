//! Problems (RFC 9457): the responses for all errors.

use events::TraceParent;
use warp::http::StatusCode;
use warp::http::header::{HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};

use super::Response;
use super::response::{IntoResponse, json_response, set_header};
use crate::failure::{Failure, Problem};
use crate::telemetry;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        problem_response(&self)
    }
}

/// Converts a handler's result into a response. Our own faults are logged here, once.
pub fn reply<T: IntoResponse, E: Into<Failure>>(answered: Result<T, E>) -> Response {
    let failure = match answered {
        Ok(answer) => return answer.into_response(),
        Err(failure) => failure.into(),
    };
    let bug = match &failure {
        Failure::Bug(bug) => {
            tracing::error!(failure = %bug, stack = bug.stack, "a request failed because of a bug");
            Some(ReportedBug(bug.text.clone()))
        }
        Failure::Retry(error) => {
            tracing::warn!(failure = %error, "a request failed for now");
            None
        }
        Failure::Reject(_) | Failure::Drop(_) => None,
    };
    let mut response = problem_response(&failure.into_problem());
    if let Some(bug) = bug {
        response.extensions_mut().insert(bug);
    }
    response
}

/// A bug in the handling of a request; the server, which knows the trace, reports it.
#[derive(Clone)]
struct ReportedBug(String);

/// Completes the response for a fault of ours: adds the trace id to the body, and reports a bug with it.
pub(super) fn with_trace(mut response: Response, trace: TraceParent) -> Response {
    if let Some(ReportedBug(text)) = response.extensions_mut().remove() {
        telemetry::report_bug_in(&text, Some(trace));
    }
    match response.extensions_mut().remove::<Problem>() {
        Some(problem) if problem.status >= 500 => {
            let problem = Problem { trace_id: Some(trace.trace_id_text()), ..problem };
            *response.body_mut() = serde_json::to_vec(&problem).unwrap_or_default().into();
            response
        }
        _ => response,
    }
}

/// The response for a problem.
pub fn problem_response(problem: &Problem) -> Response {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = json_response(status, "application/problem+json", problem);
    if let Some(seconds) = problem.retry_after {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        if status == StatusCode::TOO_MANY_REQUESTS {
            // Nothing remains; the quota resets in this many seconds (draft-ietf-httpapi-ratelimit-headers).
            set_header(&mut response, RATE_LIMIT, &format!("\"requests\";r=0;t={seconds}"));
        }
    }
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response.extensions_mut().insert(problem.clone());
    response
}
