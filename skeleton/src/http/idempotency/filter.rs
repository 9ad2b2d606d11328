//! The filter that extracts an idempotent request.

use bytes::Bytes;
use serde::de::DeserializeOwned;
use warp::filters::{BoxedFilter, path::FullPath};
use warp::http::{HeaderMap, Method, header::CONTENT_TYPE};
use warp::{Filter, Rejection};

use super::{IdempotentRequest, Principal, RequestHead, key::Key};
use crate::failure::Problem;
use crate::http::{bytes, read};
use crate::store::postgres::Postgres;

/// How a body is read.
pub type ReadBody<T> = fn(&HeaderMap, &Bytes) -> Result<T, Problem>;

/// Extracts an idempotent request for the principal that a filter extracts. `read_body` reads its body.
pub fn idempotent<P, T>(
    store: &Postgres,
    principal: BoxedFilter<(P,)>,
    read_body: ReadBody<T>,
) -> BoxedFilter<(IdempotentRequest<P, T>,)>
where
    P: Principal + Send + 'static,
    T: Send + 'static,
{
    let store = store.clone();
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    let target = warp::method().and(warp::path::full()).and(query);
    let whole = principal.and(target).and(warp::header::headers_cloned()).and(bytes());
    let request =
        move |principal: P, method: Method, path: FullPath, query: String, headers: HeaderMap, body: Bytes| {
            let head = RequestHead { method, path: path.as_str().to_owned(), query, headers };
            // The key is checked before the body; nothing is stored unless both are valid.
            let request = Key::of(&store, &head, &principal, &body)
                .and_then(|key| Ok(IdempotentRequest { principal, body: read_body(&head.headers, &body)?, key }));
            async move { request.map_err(warp::reject::custom) as Result<_, Rejection> }
        };
    whole.and_then(request).boxed()
}

/// Reads a JSON body.
///
/// # Errors
/// As [`read`].
pub fn read_json<T: DeserializeOwned>(headers: &HeaderMap, body: &Bytes) -> Result<T, Problem> {
    read(headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()), body)
}

/// For requests whose body is ignored.
///
/// # Errors
/// None.
pub fn no_body(_: &HeaderMap, _: &Bytes) -> Result<(), Problem> {
    Ok(())
}
