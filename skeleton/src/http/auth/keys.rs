//! The issuer's public keys.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError},
    time::Duration,
};

use jsonwebtoken::DecodingKey;
use tokio::time::Instant;

use super::{AccessTokens, unavailable};
use crate::failure::Problem;

/// The least time between two fetches for unknown keys; without it, any caller could make us fetch without end.
const BETWEEN_FETCHES: Duration = Duration::from_secs(5);
/// The same after a failed fetch.
const BETWEEN_FAILURES: Duration = Duration::from_millis(500);

/// An Ed25519 public key of the issuer (RFC 8037).
#[derive(Clone, Debug)]
pub struct PublicKey {
    /// Its name, as tokens state it (`kid`).
    pub id: String,
    /// The key itself, base64url (`x`).
    pub x: String,
}

/// Where the issuer's public keys come from.
pub trait KeySource: Sync {
    /// All keys that a valid token may be signed with now.
    fn fetch(&self) -> impl Future<Output = Result<Vec<PublicKey>, Problem>> + Send;
}

pub(super) type Keys = Arc<HashMap<String, DecodingKey>>;

/// When the keys were last fetched, and whether that succeeded.
#[derive(Clone, Copy)]
pub(super) struct Fetched {
    at: Instant,
    succeeded: bool,
}

impl AccessTokens {
    /// Fetches the keys again, so that keys which the issuer has withdrawn are no longer accepted. Does nothing while no
    /// token has needed a key.
    ///
    /// # Errors
    /// If the source does not answer: the known keys stay.
    pub async fn renew_keys(&self, source: &impl KeySource) -> Result<(), Problem> {
        if self.known().is_empty() { Ok(()) } else { self.fetch(source).await }
    }

    /// The keys after a fetch for an unknown one, or without a fetch if one was just done.
    pub(super) async fn fetched_for(&self, key_id: &str, source: &impl KeySource) -> Result<Keys, Problem> {
        let mut fetched = self.fetched.lock().await;
        let keys = self.known();
        if keys.contains_key(key_id) {
            return Ok(keys);
        }
        match *fetched {
            Some(Fetched { at, succeeded: true }) if at.elapsed() < BETWEEN_FETCHES => return Ok(keys),
            Some(Fetched { at, succeeded: false }) if at.elapsed() < BETWEEN_FAILURES => return Err(unavailable()),
            Some(_) | None => {}
        }
        let succeeded = self.fetch(source).await.is_ok();
        *fetched = Some(Fetched { at: Instant::now(), succeeded });
        if succeeded { Ok(self.known()) } else { Err(unavailable()) }
    }

    async fn fetch(&self, source: &impl KeySource) -> Result<(), Problem> {
        let keys: HashMap<_, _> = source.fetch().await?.iter().filter_map(readable).collect();
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        Ok(())
    }

    pub(super) fn known(&self) -> Keys {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn readable(key: &PublicKey) -> Option<(String, DecodingKey)> {
    let decoded = DecodingKey::from_ed_components(&key.x);
    if decoded.is_err() {
        tracing::warn!(key.id = key.id, "a signing key is malformed; tokens signed with it are refused");
    }
    Some((key.id.clone(), decoded.ok()?))
}
