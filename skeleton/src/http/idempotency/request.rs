//! A request that runs once.

use uuid::Uuid;

use super::{Principal, RequestHead, key::Key, stored::response_of};
use crate::failure::Problem;
use crate::http::{IntoResponse, Response, reply};
use crate::store::postgres::{Postgres, idempotency::Claim};

/// A write that may be repeated.
pub struct IdempotentRequest<P, T> {
    pub(super) principal: P,
    pub(super) body: T,
    pub(super) key: Option<Key>,
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

fn reused() -> Problem {
    let detail = "this idempotency key was used for another request: use a new key for each request";
    Problem::new(422, "idempotency-key-reused", detail)
}

fn in_flight() -> Problem {
    let detail = "the same request is in progress: wait for its response, or try again shortly";
    Problem { retry_after: Some(1), ..Problem::new(409, "request-in-flight", detail) }
}
