//! Idempotent HTTP writes: a request under an `Idempotency-Key` runs once, and a repeated one gets the first response.
//!
//! A key belongs to its principal and is kept for 24 hours. The same key with another method, path, query or body is refused
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

mod filter;
mod key;
mod request;
mod stored;

use uuid::Uuid;
use warp::http::{HeaderMap, Method};

pub use self::filter::{ReadBody, idempotent, no_body, read_json};
pub use self::key::request_id_in;
pub use self::request::IdempotentRequest;
pub use self::stored::{BelongsTo, LARGEST_STORED};

/// The caller that a key belongs to.
pub trait Principal: Sized {
    /// Distinguishes this principal from all others: `account 7c0f…`, `address 192.0.2.7`.
    fn scope(&self) -> String;

    /// The principal's account, if it has one: its stored responses are removed when it is erased. Without one, a
    /// response may name its account: see [`BelongsTo`].
    fn account_id(&self) -> Option<Uuid>;

    /// Adds the request id, for the handler's own requests and writes.
    fn with_request_id(self, id: Uuid) -> Self;
}

/// The parts of a request that distinguish it from others.
pub struct RequestHead {
    /// The HTTP method.
    pub method: Method,
    /// The path.
    pub path: String,
    /// The query string, without the question mark; empty if there is none.
    pub query: String,
    /// The headers, including the key.
    pub headers: HeaderMap,
}
