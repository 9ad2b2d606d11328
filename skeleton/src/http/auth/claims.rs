//! The rules for tokens, and their claims.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use uuid::Uuid;

use crate::failure::Problem;

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
