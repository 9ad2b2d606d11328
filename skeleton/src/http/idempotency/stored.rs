//! Responses that are stored under a key.

use bytes::Bytes;
use http_body_util::BodyExt;
use uuid::Uuid;
use warp::http::{
    HeaderValue, StatusCode,
    header::{CONTENT_TYPE, HeaderName, LOCATION},
};

use super::key::Key;
use crate::failure::Failure;
use crate::http::{IntoResponse, Response, reply};
use crate::store::postgres::idempotency::StoredResponse;

/// The largest response body that is stored.
pub const LARGEST_STORED: usize = 256 * 1024;

/// A response that belongs to an account which its principal did not have yet, such as the account that it created.
/// Erasing the account removes the stored response: see
/// [`Tx::forget_responses_to`](crate::store::postgres::Tx::forget_responses_to).
#[derive(Debug)]
pub struct BelongsTo<R> {
    /// The account.
    pub account_id: Uuid,
    /// The response.
    pub response: R,
}

/// The extension of a response that names its account.
#[derive(Clone)]
struct AccountId(Uuid);

impl<R: IntoResponse> IntoResponse for BelongsTo<R> {
    fn into_response(self) -> Response {
        let mut response = self.response.into_response();
        response.extensions_mut().insert(AccountId(self.account_id));
        response
    }
}

impl Key {
    /// Stores a response if it may be replayed, and returns it in any case.
    pub(super) async fn keep(self, id: Uuid, response: Response) -> Response {
        let (head, body) = response.into_parts();
        let Ok(body) = body.collect().await.map(|body| body.to_bytes()) else {
            return reply(Err::<Response, _>(Failure::bug("a response's body ended early")));
        };
        let text = |name: HeaderName| head.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let kept = if is_final(head.status) && body.len() <= LARGEST_STORED {
            let (location, content_type) = (text(LOCATION), text(CONTENT_TYPE));
            let account_id = head.extensions.get::<AccountId>().map(|AccountId(id)| *id);
            let (status, body) = (head.status.as_u16(), body.to_vec());
            let stored = StoredResponse { status, location, content_type, body };
            self.store.store_response(&self.request.key_hash, id, account_id, &stored).await
        } else {
            self.store.release_key(&self.request.key_hash, id).await
        };
        if let Err(error) = kept {
            tracing::warn!(%error, "failed to store the response to an idempotent request; a repeated one runs again in a minute");
        }
        Response::from_parts(head, body.into())
    }
}

/// Whether repeating the request would give the same response. Others change with a new token, time, or our recovery.
fn is_final(status: StatusCode) -> bool {
    let passing = [StatusCode::UNAUTHORIZED, StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS];
    !status.is_server_error() && !passing.contains(&status)
}

/// The response that was stored.
pub(super) fn response_of(stored: StoredResponse) -> Response {
    let mut response = Response::new(Bytes::from(stored.body).into());
    *response.status_mut() = StatusCode::from_u16(stored.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, text) in [(LOCATION, stored.location), (CONTENT_TYPE, stored.content_type)] {
        let Some(value) = text.and_then(|text| HeaderValue::from_str(&text).ok()) else { continue };
        response.headers_mut().insert(name, value);
    }
    response
}
