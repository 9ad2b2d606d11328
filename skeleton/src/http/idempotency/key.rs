//! The key of a request.

use sha2::{Digest, Sha256};
use uuid::Uuid;
use warp::http::HeaderMap;

use super::{Principal, RequestHead};
use crate::failure::Problem;
use crate::store::postgres::{Postgres, idempotency::KeyedRequest};

/// The longest key, in characters.
const LONGEST_KEY: usize = 255;

/// A request's key, and where its response is stored.
pub(super) struct Key {
    pub(super) store: Postgres,
    pub(super) request: KeyedRequest,
}

impl Key {
    /// The key that the headers name; `None` if they have none.
    pub(super) fn of(
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
            // Without a query as in earlier builds, whose keys stay valid.
            body_hash: match head.query.as_bytes() {
                [] => hash(&[key.as_bytes(), body]),
                query => hash(&[key.as_bytes(), body, query]),
            },
        };
        Ok(Some(Self { store: store.clone(), request }))
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

/// A hash of several parts; the boundaries between the parts count.
fn hash(parts: &[&[u8]]) -> Vec<u8> {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().to_vec()
}
