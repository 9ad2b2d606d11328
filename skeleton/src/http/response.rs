//! Results of handlers, with their status.

use serde::Serialize;
use warp::Reply;
use warp::http::StatusCode;
use warp::http::header::{CONTENT_TYPE, HeaderName, HeaderValue, LOCATION};

use super::Response;

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

pub(super) fn json_response(status: StatusCode, content_type: &'static str, body: &impl Serialize) -> Response {
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

pub(super) fn set_header(response: &mut Response, name: HeaderName, value: &str) {
    match HeaderValue::from_str(value) {
        Ok(value) => drop(response.headers_mut().insert(name, value)),
        Err(_) => tracing::error!(header = %name, "a response header has invalid characters"),
    }
}
