//! Idempotent HTTP writes: a request under an `Idempotency-Key` runs once, and a repeated one gets the first response.
//!
//! A key belongs to its principal and is kept for 24 hours. The same key with another method, path or body is refused
//! with 422, and while the first request is in progress a repeated one is refused with 409. A response is stored if
//! repeating the request would give the same one: successes and refusals, but no 401, 408 or 429, no error of ours, and
//! nothing larger than [`LARGEST_STORED`]. In all other cases the repeated request runs again under the same request id,
//! which its downstream services and the inbox recognise.
//!
//! ```ignore
//! let add = path.and(warp::post()).and(idempotent(&app.store, caller, read_json)).then(add_contact);
//!
//! async fn add_contact(request: IdempotentRequest<Caller, AddContact>) -> Response {
//!     request.run(|caller, body| async move { Ok(Created(caller.ask(&body.into()).await?)) }).await
//! }
//! ```

use bytes::Bytes;
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use uuid::Uuid;
use warp::{
    Filter, Rejection,
    filters::{BoxedFilter, path::FullPath},
    http::{
        HeaderMap, HeaderValue, Method, StatusCode,
        header::{CONTENT_TYPE, HeaderName, LOCATION},
    },
};

use super::{IntoResponse, Response, bytes, read, reply};
use crate::{
    failure::{Failure, Problem},
    store::postgres::{
        Postgres,
        idempotency::{Claim, KeyedRequest, StoredResponse},
    },
};

/// The longest key, in characters.
const LONGEST_KEY: usize = 255;
/// The largest response body that is stored.
pub const LARGEST_STORED: usize = 256 * 1024;

/// The caller that a key belongs to.
pub trait Principal: Sized {
    /// Distinguishes this principal from all others: `account 7c0f…`, `address 192.0.2.7`.
    fn scope(&self) -> String;

    /// The principal's account, if it has one: its stored responses are removed when it is erased.
    fn account_id(&self) -> Option<Uuid>;

    /// Adds the request id, for the handler's own requests and writes.
    fn with_request_id(self, id: Uuid) -> Self;
}

/// A write that may be repeated.
pub struct IdempotentRequest<P, T> {
    principal: P,
    body: T,
    key: Option<Key>,
}

/// A request's key, and where its response is stored.
struct Key {
    store: Postgres,
    request: KeyedRequest,
}

/// The parts of a request that distinguish it from others.
pub struct RequestHead {
    /// The HTTP method.
    pub method: Method,
    /// The path.
    pub path: String,
    /// The headers, including the key.
    pub headers: HeaderMap,
}

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
    let whole = principal.and(warp::method()).and(warp::path::full()).and(warp::header::headers_cloned()).and(bytes());
    let request = move |principal: P, method: Method, path: FullPath, headers: HeaderMap, body: Bytes| {
        let head = RequestHead { method, path: path.as_str().to_owned(), headers };
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

impl<P: Principal, T> IdempotentRequest<P, T> {
    /// A request whose body is not read whole; the fingerprint represents it.
    ///
    /// # Errors
    /// 400 if the key is malformed.
    pub fn try_new(
        store: &Postgres,
        head: &RequestHead,
        fingerprint: &[u8],
        principal: P,
        body: T,
    ) -> Result<Self, Problem> {
        let key = Key::of(store, head, &principal, fingerprint)?;
        Ok(Self { principal, body, key })
    }

    /// Runs the request, or replays its first response.
    pub async fn run<H, F, R>(self, handle: H) -> Response
    where
        H: FnOnce(P, T) -> F,
        F: Future<Output = Result<R, Problem>>,
        R: IntoResponse,
    {
        let Self { principal, body, key } = self;
        let Some(key) = key else { return reply(handle(principal, body).await) };
        match key.store.claim_key(&key.request, Uuid::new_v4()).await {
            Ok(Claim::Run(id)) => key.keep(id, reply(handle(principal.with_request_id(id), body).await)).await,
            Ok(Claim::Replay(stored)) => response_of(stored),
            Ok(Claim::Mismatch) => reply(Err::<Response, _>(reused())),
            Ok(Claim::InFlight) => reply(Err::<Response, _>(in_flight())),
            Err(error) => reply(Err::<Response, _>(error)),
        }
    }
}

impl Key {
    /// The key that the headers name; `None` if they have none.
    fn of(
        store: &Postgres,
        head: &RequestHead,
        principal: &impl Principal,
        body: &[u8],
    ) -> Result<Option<Self>, Problem> {
        let Some(key) = key_in(&head.headers)? else { return Ok(None) };
        let request = KeyedRequest {
            key_hash: hash(&[principal.scope().as_bytes(), key.as_bytes()]),
            account_id: principal.account_id(),
            method: head.method.to_string(),
            path: head.path.clone(),
            body_hash: hash(&[key.as_bytes(), body]),
        };
        Ok(Some(Self { store: store.clone(), request }))
    }

    /// Stores a response if it may be replayed, and returns it in any case.
    async fn keep(self, id: Uuid, response: Response) -> Response {
        let (head, body) = response.into_parts();
        let Ok(body) = body.collect().await.map(|body| body.to_bytes()) else {
            return reply(Err::<Response, _>(Failure::bug("a response's body ended early")));
        };
        let text = |name: HeaderName| head.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let kept = if is_final(head.status) && body.len() <= LARGEST_STORED {
            let (location, content_type) = (text(LOCATION), text(CONTENT_TYPE));
            let stored = StoredResponse { status: head.status.as_u16(), location, content_type, body: body.to_vec() };
            self.store.store_response(&self.request.key_hash, id, &stored).await
        } else {
            self.store.release_key(&self.request.key_hash, id).await
        };
        if let Err(error) = kept {
            tracing::warn!(%error, "failed to store the response to an idempotent request; a repeated one runs again in a minute");
        }
        Response::from_parts(head, body.into())
    }
}

/// The request id that a key stands for, for requests whose response must not be stored.
///
/// # Errors
/// 400 if the key is malformed.
pub fn request_id_in(headers: &HeaderMap) -> Result<Option<Uuid>, Problem> {
    Ok(key_in(headers)?.map(|key| Uuid::new_v5(&Uuid::NAMESPACE_OID, key.as_bytes())))
}

fn key_in(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let key = value.to_str().ok().filter(|key| !key.is_empty() && key.len() <= LONGEST_KEY);
    let detail = "the idempotency-key must have 1 to 255 visible characters";
    key.map(Some).ok_or_else(|| Problem::new(400, "invalid-idempotency-key", detail))
}

fn reused() -> Problem {
    let detail = "this idempotency key was used for another request: use a new key for each request";
    Problem::new(422, "idempotency-key-reused", detail)
}

fn in_flight() -> Problem {
    let detail = "the same request is in progress: wait for its response, or try again shortly";
    Problem { retry_after: Some(1), ..Problem::new(409, "request-in-flight", detail) }
}

/// Whether repeating the request would give the same response. Others change with a new token, time, or our recovery.
fn is_final(status: StatusCode) -> bool {
    let passing = [StatusCode::UNAUTHORIZED, StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS];
    !status.is_server_error() && !passing.contains(&status)
}

/// A hash of several parts; the boundaries between the parts count.
fn hash(parts: &[&[u8]]) -> Vec<u8> {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().to_vec()
}

fn response_of(stored: StoredResponse) -> Response {
    let mut response = Response::new(Bytes::from(stored.body).into());
    *response.status_mut() = StatusCode::from_u16(stored.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, text) in [(LOCATION, stored.location), (CONTENT_TYPE, stored.content_type)] {
        let Some(value) = text.and_then(|text| HeaderValue::from_str(&text).ok()) else { continue };
        response.headers_mut().insert(name, value);
    }
    response
}
