//! Bearer authentication (RFC 6750): access tokens (JWT, RFC 9068) signed with Ed25519 and verified with the issuer's
//! public keys.
//!
//! A valid token names its type, issuer, audience, subject, session and expiry, is signed with a key that the issuer
//! publishes, and is not revoked. Keys are looked up by the token's `kid` alone; key locations in a token's header
//! (`jku`, `x5u`, `jwk`) are ignored. The refusal is the same for every invalid token, so it reveals nothing.

mod bearer;
mod claims;
mod keys;

use std::sync::RwLock;

use jsonwebtoken::{Algorithm, Header, Validation, decode, decode_header};
use tokio::sync::Mutex;
use warp::http::HeaderMap;

pub use self::bearer::{bearer_token, unauthorized, unavailable};
pub use self::claims::{AccessClaims, Revocations, TokenRules};
pub use self::keys::{KeySource, PublicKey};
use self::{
    bearer::count_refused,
    keys::{Fetched, Keys},
};
use crate::failure::Problem;

/// The longest token, in bytes.
const LONGEST: usize = 4 * 1024;

/// Verifies access tokens.
pub struct AccessTokens {
    keys: RwLock<Keys>,
    fetched: Mutex<Option<Fetched>>,
    token_type: &'static str,
    validation: Validation,
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

    /// The key that a token names, if its header has the expected algorithm and type and no critical extensions.
    fn key_id_of(&self, token: &str) -> Option<String> {
        if token.len() > LONGEST {
            return None;
        }
        let Header { typ, alg, kid, crit: None, .. } = decode_header(token).ok()? else { return None };
        (alg == Algorithm::EdDSA && typ.as_deref() == Some(self.token_type)).then_some(kid).flatten()
    }
}
