//! Responses to the caller: results with their status, and problems (RFC 9457) for all errors.

use std::convert::Infallible;

use events::TraceParent;
use serde::Serialize;
use warp::http::StatusCode;
use warp::http::header::{CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use warp::reject::{
    InvalidHeader, InvalidQuery, LengthRequired, MethodNotAllowed, MissingHeader, PayloadTooLarge, Reject,
    UnsupportedMediaType,
};
use warp::{Filter, Rejection, Reply};

use super::{Response, Routes};
use crate::{
    failure::{Failure, Problem},
    telemetry,
};

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// A type that a handler may return.
pub trait IntoResponse {
    /// Converts it into a response.
    fn into_response(self) -> Response;
}

/// 200, with a JSON body.
#[derive(Debug)]
pub struct Json<T>(pub T);

/// 201, with a JSON body.
#[derive(Debug)]
pub struct Created<T>(pub T);

/// 202, with a JSON body and the place to look for the result.
#[derive(Debug)]
pub struct Accepted<T> {
    /// The path of the resource that will have the result.
    pub location: String,
    /// What is known already.
    pub body: T,
}

/// 204.
#[derive(Debug)]
pub struct NoContent;

impl IntoResponse for Response {
    fn into_response(self) -> Response {
        self
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        json_response(StatusCode::OK, "application/json", &self.0)
    }
}

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        json_response(StatusCode::CREATED, "application/json", &self.0)
    }
}

impl<T: Serialize> IntoResponse for Accepted<T> {
    fn into_response(self) -> Response {
        let mut response = json_response(StatusCode::ACCEPTED, "application/json", &self.body);
        set_header(&mut response, LOCATION, &self.location);
        response
    }
}

impl IntoResponse for NoContent {
    fn into_response(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }
}

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

/// A group of routes to combine with others: `group(one.or(other).unify())`. Refuse with
/// `warp::reject::custom(problem)`.
pub fn group<F, R>(routes: F) -> Routes
where
    F: Filter<Extract = (R,), Error = Rejection> + Clone + Send + Sync + 'static,
    R: Reply + 'static,
{
    routes.map(Reply::into_response).boxed()
}

/// Converts every rejection into a problem. `serve` calls it; routes joined after it are never reached.
///
/// Write the path of a route before its method (`warp::path!("things").and(warp::get())`); otherwise an unknown path is
/// answered with 405 instead of 404.
pub fn finish<F, R>(routes: F) -> Routes
where
    F: Filter<Extract = (R,), Error = Rejection> + Clone + Send + Sync + 'static,
    R: Reply + 'static,
{
    routes.map(Reply::into_response).recover(tell).unify().boxed()
}

impl Reject for Problem {}

async fn tell(rejection: Rejection) -> Result<Response, Infallible> {
    Ok(problem_response(&problem_of(&rejection)))
}

/// If several routes have rejected a request, the most specific reason is returned.
fn problem_of(rejection: &Rejection) -> Problem {
    if let Some(problem) = rejection.find::<Problem>() {
        return problem.clone();
    }
    if rejection.find::<PayloadTooLarge>().is_some() {
        return too_large();
    }
    if rejection.find::<UnsupportedMediaType>().is_some() {
        return Problem::new(415, "unsupported-media-type", "the content-type of the body is not supported here");
    }
    if rejection.find::<LengthRequired>().is_some() {
        return Problem::new(411, "length-required", "the content-length header is missing");
    }
    if let Some(header) = rejection.find::<MissingHeader>() {
        return Problem::new(400, "missing-header", format!("the header {} is missing", header.name()));
    }
    if let Some(header) = rejection.find::<InvalidHeader>() {
        return Problem::new(400, "invalid-header", format!("the header {} cannot be read", header.name()));
    }
    if rejection.find::<InvalidQuery>().is_some() {
        return Problem::new(
            400,
            "invalid-query",
            "the query string lacks a parameter or has a value of the wrong type",
        );
    }
    if rejection.find::<warp::filters::body::BodyDeserializeError>().is_some() {
        return Problem::new(400, "invalid-body", "the body cannot be read");
    }
    if rejection.find::<MethodNotAllowed>().is_some() {
        return Problem::new(405, "method-not-allowed", "this method is not supported here");
    }
    if rejection.is_not_found() {
        return Problem::new(404, "not-found", "there is nothing at this path");
    }
    tracing::error!("unmapped warp rejection");
    internal_error()
}

pub(super) fn too_large() -> Problem {
    Problem::new(413, "body-too-large", "the body exceeds the limit of this path")
}

pub(super) fn too_slow() -> Problem {
    Problem::new(408, "body-too-slow", "the body arrived too slowly")
}

pub(super) fn internal_error() -> Problem {
    Failure::bug("").into_problem()
}

fn json_response(status: StatusCode, content_type: &'static str, body: &impl Serialize) -> Response {
    let body = match serde_json::to_vec(body) {
        Ok(body) => body,
        Err(error) => {
            tracing::error!(failure = %error, "failed to serialize a response");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    };
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn set_header(response: &mut Response, name: HeaderName, value: &str) {
    match HeaderValue::from_str(value) {
        Ok(value) => drop(response.headers_mut().insert(name, value)),
        Err(_) => tracing::error!(header = %name, "a response header has invalid characters"),
    }
}
