//! The OpenAPI description of the API.

use skeleton::http::{Routes, group};
use warp::{
    Filter,
    http::header::{CACHE_CONTROL, CONTENT_TYPE},
};

const DESCRIPTION: &str = include_str!("../../openapi.json");

/// `GET /openapi.json` - the OpenAPI document.
pub fn routes() -> Routes {
    let shown = warp::path!("openapi.json").and(warp::get()).map(|| {
        let typed = warp::reply::with_header(DESCRIPTION, CONTENT_TYPE, "application/json");
        warp::reply::with_header(typed, CACHE_CONTROL, "no-cache")
    });
    group(shown)
}
