//! Bearer authentication (RFC 6750): access tokens (JWT, RFC 9068) signed with Ed25519 and verified with the issuer's
//! public keys.
//!
//! A valid token names its type, issuer, audience, subject, session and expiry, is signed with a key that the issuer
//! publishes, and is not revoked. Keys are looked up by the token's `kid` alone; key locations in a token's header
//! (`jku`, `x5u`, `jwk`) are ignored. The refusal is the same for every invalid token, so it reveals nothing.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use chrono::{DateTime, Utc};
use jsonwebtoken::{
    Algorithm, DecodingKey, Header, Validation, decode, decode_header,
    errors::{Error, ErrorKind},
};
use serde::Deserialize;
use tokio::{sync::Mutex, time::Instant};
use uuid::Uuid;
use warp::http::{HeaderMap, header::AUTHORIZATION};

use crate::failure::Problem;

/// The longest token, in bytes.
const LONGEST: usize = 4 * 1024;
/// The least time between two fetches for unknown keys; without it, any caller could make us fetch without end.
const BETWEEN_FETCHES: Duration = Duration::from_secs(5);
/// The same after a failed fetch.
const BETWEEN_FAILURES: Duration = Duration::from_millis(500);

/// Which tokens are accepted.
#[derive(Clone, Debug)]
pub struct TokenRules {
    /// Who must have issued the token (`iss`).
    pub issuer: &'static str,
    /// For whom it must be (`aud`).
    pub audience: &'static str,
    /// Its type (`typ`): `at+jwt` for access tokens.
    pub token_type: &'static str,
    /// How far the issuer's clock and ours may be apart (`exp`, `nbf`).
    pub leeway: Duration,
}

/// The claims of a valid access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct AccessClaims {
    /// The account.
    #[serde(rename = "sub")]
    pub account_id: Uuid,
    /// The session.
    #[serde(rename = "sid")]
    pub session_id: Uuid,
    /// When the token expires.
    #[serde(rename = "exp", with = "chrono::serde::ts_seconds")]
    pub expires_at: DateTime<Utc>,
}

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

/// Which tokens have been revoked before their expiry.
pub trait Revocations: Sync {
    /// Whether the token's session or account has ended.
    fn is_revoked(&self, claims: &AccessClaims) -> impl Future<Output = Result<bool, Problem>> + Send;
}

/// For services whose tokens cannot be revoked.
impl Revocations for () {
    async fn is_revoked(&self, _: &AccessClaims) -> Result<bool, Problem> {
        Ok(false)
    }
}

/// Verifies access tokens.
pub struct AccessTokens {
    keys: RwLock<Keys>,
    fetched: Mutex<Option<Fetched>>,
    token_type: &'static str,
    validation: Validation,
}

type Keys = Arc<HashMap<String, DecodingKey>>;

/// When the keys were last fetched, and whether that succeeded.
#[derive(Clone, Copy)]
struct Fetched {
    at: Instant,
    succeeded: bool,
}

impl AccessTokens {
    /// Accepts tokens by these rules. Keys are fetched with the first token.
    pub fn new(rules: &TokenRules) -> Self {
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[rules.issuer]);
        validation.set_audience(&[rules.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.validate_nbf = true;
        validation.leeway = rules.leeway.as_secs();
        Self { keys: RwLock::default(), fetched: Mutex::default(), token_type: rules.token_type, validation }
    }

    /// The claims of a request's bearer token.
    ///
    /// # Errors
    /// 401, the same for every invalid, missing or revoked token; 503 if the keys or revocations cannot be read.
    pub async fn authenticate(
        &self,
        headers: &HeaderMap,
        source: &impl KeySource,
        revocations: &impl Revocations,
    ) -> Result<AccessClaims, Problem> {
        let token = bearer_token(headers).ok_or_else(unauthorized)?;
        let claims = self.verify(token, source).await?;
        if revocations.is_revoked(&claims).await? { Err(unauthorized()) } else { Ok(claims) }
    }

    /// The claims of a token, whether or not it is revoked.
    ///
    /// # Errors
    /// As [`AccessTokens::authenticate`].
    pub async fn verify(&self, token: &str, source: &impl KeySource) -> Result<AccessClaims, Problem> {
        let key_id = self.key_id_of(token).ok_or_else(unauthorized)?;
        let keys = match self.known() {
            keys if keys.contains_key(&key_id) => keys,
            _ => self.fetched_for(&key_id, source).await?,
        };
        let key = keys.get(&key_id).ok_or_else(unauthorized)?;
        decode(token, key, &self.validation).map(|token| token.claims).map_err(|error| {
            count_refused(&error);
            unauthorized()
        })
    }

    /// Fetches the keys again, so that keys which the issuer has withdrawn are no longer accepted. Does nothing while no
    /// token has needed a key.
    ///
    /// # Errors
    /// If the source does not answer: the known keys stay.
    pub async fn renew_keys(&self, source: &impl KeySource) -> Result<(), Problem> {
        if self.known().is_empty() { Ok(()) } else { self.fetch(source).await }
    }

    /// The keys after a fetch for an unknown one, or without a fetch if one was just done.
    async fn fetched_for(&self, key_id: &str, source: &impl KeySource) -> Result<Keys, Problem> {
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

    fn known(&self) -> Keys {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The key that a token names, if its header has the expected algorithm and type and no critical extensions.
    fn key_id_of(&self, token: &str) -> Option<String> {
        if token.len() > LONGEST {
            return None;
        }
        let Header { typ, alg, kid, crit: None, .. } = decode_header(token).ok()? else { return None };
        (alg == Algorithm::EdDSA && typ.as_deref() == Some(self.token_type)).then_some(kid).flatten()
    }
}

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
fn count_refused(error: &Error) {
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

fn readable(key: &PublicKey) -> Option<(String, DecodingKey)> {
    let decoded = DecodingKey::from_ed_components(&key.x);
    if decoded.is_err() {
        tracing::warn!(key.id = key.id, "a signing key is malformed; tokens signed with it are refused");
    }
    Some((key.id.clone(), decoded.ok()?))
}
