//! Tokens in requests, and the refusals.

use jsonwebtoken::errors::{Error, ErrorKind};
use warp::http::{HeaderMap, header::AUTHORIZATION};

use crate::failure::Problem;

/// The access token in a request's `Authorization` header.
pub fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// The refusal of every request without a valid token.
pub fn unauthorized() -> Problem {
    Problem::new(401, "unauthorized", "the access token is missing or not valid: sign in or refresh it")
}

/// Counts a refused token. An expired one is expected; one that is not valid yet means that the clocks differ.
pub(super) fn count_refused(error: &Error) {
    let reason = match error.kind() {
        ErrorKind::ExpiredSignature => "expired",
        ErrorKind::ImmatureSignature => "not-valid-yet",
        ErrorKind::InvalidSignature => "signature",
        _ => "claims",
    };
    metrics::counter!("access_tokens_refused_total", "reason" => reason).increment(1);
    if reason != "expired" {
        tracing::info!(reason, "access token refused");
    }
}

/// The refusal while keys or revocations cannot be read.
pub fn unavailable() -> Problem {
    Problem::unavailable("tokens cannot be checked at the moment: try again shortly")
}
