//! Groups of routes, and the problems for requests that no route accepts.

use std::convert::Infallible;

use warp::reject::{
    InvalidHeader, InvalidQuery, LengthRequired, MethodNotAllowed, MissingHeader, PayloadTooLarge, Reject,
    UnsupportedMediaType,
};
use warp::{Filter, Rejection, Reply};

use super::problem::problem_response;
use super::refusals::{internal_error, too_large};
use super::{Response, Routes};
use crate::failure::Problem;

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
