//! Idempotency keys of HTTP writes: one row per key, with the first response once there is one.

use tokio_postgres::Row;
use uuid::Uuid;

use super::{Postgres, Tx};
use crate::failure::StoreError;

/// Claims a key that is new or has expired.
const CLAIM: &str = "insert into skeleton.idempotency_keys as k
        (key_hash, account_id, method, path, body_hash, request_id, locked_until, expires_at)
    values ($1, $2, $3, $4, $5, $6, now() + interval '60 seconds', now() + interval '24 hours')
    on conflict (key_hash) do update set account_id = excluded.account_id, method = excluded.method,
        path = excluded.path, body_hash = excluded.body_hash, request_id = excluded.request_id,
        locked_until = excluded.locked_until, status = null, location = null, content_type = null, body = null,
        expires_at = excluded.expires_at
    where k.expires_at < now()
    returning request_id";

const FIND: &str = "select method, path, body_hash, status, location, content_type, body
    from skeleton.idempotency_keys where key_hash = $1";

/// Claims a key whose request was abandoned. The request id stays the same.
const TAKE_OVER: &str = "update skeleton.idempotency_keys set locked_until = now() + interval '60 seconds'
    where key_hash = $1 and status is null and locked_until < now() returning request_id";

/// Stores the first response: a request that was taken over, or that expired and was claimed anew, stores nothing.
const STORE: &str = "update skeleton.idempotency_keys
    set locked_until = null, account_id = coalesce(account_id, $3), status = $4, location = $5, content_type = $6, body = $7
    where key_hash = $1 and request_id = $2 and status is null";

const RELEASE: &str = "update skeleton.idempotency_keys set locked_until = '-infinity'
    where key_hash = $1 and request_id = $2 and status is null";

const FORGET_ACCOUNT: &str = "delete from skeleton.idempotency_keys where account_id = $1";

/// Removes expired keys, a batch at a time.
pub(super) const FORGET_EXPIRED: &str = "delete from skeleton.idempotency_keys where key_hash = any(array(
    select key_hash from skeleton.idempotency_keys where expires_at < now() order by expires_at limit $1 for update skip locked))";

/// A request with an idempotency key. All fields must be equal when the key is used again.
#[derive(Clone, Debug)]
pub(crate) struct KeyedRequest {
    /// A hash of the key and its principal.
    pub key_hash: Vec<u8>,
    /// The principal's account, if it has one.
    pub account_id: Option<Uuid>,
    /// The HTTP method.
    pub method: String,
    /// The path.
    pub path: String,
    /// A hash of the body.
    pub body_hash: Vec<u8>,
}

/// The first response to a keyed request.
pub(crate) struct StoredResponse {
    /// The HTTP status.
    pub status: u16,
    /// The `location` header.
    pub location: Option<String>,
    /// The `content-type` header.
    pub content_type: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

/// The result of claiming a key.
pub(crate) enum Claim {
    /// The caller has the key: run the request under this id.
    Run(Uuid),
    /// The request was answered before.
    Replay(StoredResponse),
    /// The key belongs to another request.
    Mismatch,
    /// The same request is in progress.
    InFlight,
}

impl Postgres {
    /// Claims the key of a request.
    pub(crate) async fn claim_key(&self, request: &KeyedRequest, new_id: Uuid) -> Result<Claim, StoreError> {
        let KeyedRequest { key_hash, account_id, method, path, body_hash } = request;
        let claimed = self.query_opt(CLAIM, &[key_hash, account_id, method, path, body_hash, &new_id]).await?;
        if let Some(row) = claimed {
            return Ok(Claim::Run(row.get(0)));
        }
        // Missing only if the row was removed in between: the next attempt claims the key.
        let Some(known) = self.query_opt(FIND, &[key_hash]).await? else { return Ok(Claim::InFlight) };
        let is_same = known.get::<_, &str>(0) == method
            && known.get::<_, &str>(1) == path
            && known.get::<_, &[u8]>(2) == body_hash.as_slice();
        if !is_same {
            return Ok(Claim::Mismatch);
        }
        if let Some(response) = stored_response(&known) {
            return Ok(Claim::Replay(response));
        }
        let taken_over = self.query_opt(TAKE_OVER, &[key_hash]).await?;
        Ok(taken_over.map_or(Claim::InFlight, |row| Claim::Run(row.get(0))))
    }

    /// Stores the response to a request that was claimed under this id. `account_id` is the account that it belongs to,
    /// if the principal has none.
    pub(crate) async fn store_response(
        &self,
        key_hash: &[u8],
        id: Uuid,
        account_id: Option<Uuid>,
        response: &StoredResponse,
    ) -> Result<(), StoreError> {
        let StoredResponse { status, location, content_type, body } = response;
        let status = i32::from(*status);
        self.execute(STORE, &[&key_hash, &id, &account_id, &status, location, content_type, body]).await.map(drop)
    }

    /// Lets the same request run again at once.
    pub(crate) async fn release_key(&self, key_hash: &[u8], id: Uuid) -> Result<(), StoreError> {
        self.execute(RELEASE, &[&key_hash, &id]).await.map(drop)
    }
}

impl Tx {
    /// Removes the stored HTTP responses of an account: part of erasing it. Returns how many there were.
    ///
    /// # Errors
    /// As [`Tx::query`].
    pub async fn forget_responses_to(&mut self, account: Uuid) -> Result<u64, StoreError> {
        self.execute(FORGET_ACCOUNT, &[&account]).await
    }
}

fn stored_response(row: &Row) -> Option<StoredResponse> {
    let status = row.get::<_, Option<i32>>(3)?;
    Some(StoredResponse {
        status: u16::try_from(status).unwrap_or(500),
        location: row.get(4),
        content_type: row.get(5),
        body: row.get::<_, Option<Vec<u8>>>(6).unwrap_or_default(),
    })
}
