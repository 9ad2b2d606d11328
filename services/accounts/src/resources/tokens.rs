//! The tokens of a session: signed access tokens, and refresh tokens of which only a digest is stored.
//!
//! A refresh token's successor is derived from it with a secret key. So the same token presented twice returns the same
//! successor, although no token is stored.

use accounts_events::{SessionView, SigningKey, SigningKeysView};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, encode,
    jwk::{AlgorithmParameters, Jwk, ThumbprintHash},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use skeleton::{Failure, Secret};
use uuid::{Builder, Uuid};

use crate::domain::{RefreshRules, Session};

/// How far the clock of a service that checks access tokens may be behind. Without it, such a service refuses a token
/// until its clock has caught up.
const CLOCK_TOLERANCE_S: i64 = 60;

/// Keys and lifetimes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenSettings {
    signing_key: Secret,
    previous_keys: String,
    access_lifetime_s: u32,
    refresh_lifetime_days: u32,
    refresh_grace_s: u32,
}

/// Issues tokens.
pub struct Tokens {
    key: EncodingKey,
    header: Header,
    keys: Vec<SigningKey>,
    refresh_key: [u8; 32],
    access_lifetime_s: u32,
    rules: RefreshRules,
}

/// A refresh token in plain text. It is never stored and never logged.
pub struct RefreshToken(String);

/// The claims of an access token.
#[derive(Serialize)]
struct Claims {
    iss: &'static str,
    aud: &'static str,
    sub: Uuid,
    sid: Uuid,
    iat: i64,
    nbf: i64,
    exp: i64,
    jti: Uuid,
}

impl Tokens {
    /// Builds it from the settings.
    ///
    /// # Errors
    /// If a key is malformed.
    pub fn try_new(settings: TokenSettings) -> Result<Self, String> {
        let pem = settings.signing_key.reveal();
        let key = EncodingKey::from_ed_pem(pem.as_bytes()).map_err(
            |_| "signing_key is not an Ed25519 private key in PEM: make one with openssl genpkey -algorithm ed25519",
        )?;
        let newest = signing_key(Jwk::from_encoding_key(&key, Algorithm::EdDSA))?;
        let header =
            Header { typ: Some("at+jwt".to_owned()), kid: Some(newest.kid.clone()), ..Header::new(Algorithm::EdDSA) };
        let mut keys = vec![newest];
        keys.extend(previous_keys(&settings.previous_keys)?);
        let rules = RefreshRules {
            lifetime: TimeDelta::days(settings.refresh_lifetime_days.into()),
            grace: TimeDelta::seconds(settings.refresh_grace_s.into()),
        };
        let refresh_key = Sha256::new().chain_update("kith refresh tokens").chain_update(pem).finalize().into();
        Ok(Self { key, header, keys, refresh_key, access_lifetime_s: settings.access_lifetime_s, rules })
    }

    /// The public keys that verify valid access tokens.
    pub fn signing_keys(&self) -> SigningKeysView {
        SigningKeysView { keys: self.keys.clone() }
    }

    /// The lifetimes of refresh tokens.
    pub fn rules(&self) -> RefreshRules {
        self.rules
    }

    /// When an access token made now expires.
    pub fn expiry(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        now + TimeDelta::seconds(self.access_lifetime_s.into())
    }

    /// The id of the session that a request opens; the same for every repeat of the request.
    pub fn session_of(&self, account: Uuid, request: Uuid) -> Uuid {
        let digest = self.derived("session", &[account.as_bytes(), request.as_bytes()]);
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        Builder::from_random_bytes(bytes).into_uuid()
    }

    /// The first refresh token of a session.
    pub fn first_refresh(&self, session: Uuid) -> RefreshToken {
        RefreshToken(BASE64_URL_SAFE_NO_PAD.encode(self.derived("first", &[session.as_bytes()])))
    }

    /// The refresh token that replaces this one.
    pub fn successor_of(&self, token: &RefreshToken) -> RefreshToken {
        RefreshToken(BASE64_URL_SAFE_NO_PAD.encode(self.derived("next", &[token.0.as_bytes()])))
    }

    /// A new access token together with a refresh token, as the client gets them.
    ///
    /// # Errors
    /// A bug if it cannot be signed: the key was validated at start.
    pub fn view(
        &self,
        session: &Session,
        refresh: RefreshToken,
        id: Uuid,
        now: DateTime<Utc>,
    ) -> Result<SessionView, Failure> {
        let claims = Claims {
            iss: "kith",
            aud: "kith-api",
            sub: session.account_id,
            sid: session.id,
            iat: now.timestamp(),
            nbf: now.timestamp() - CLOCK_TOLERANCE_S,
            exp: self.expiry(now).timestamp(),
            jti: id,
        };
        Ok(SessionView {
            session_id: session.id,
            account_id: session.account_id,
            access_token: encode(&self.header, &claims, &self.key).map_err(Failure::bug)?,
            refresh_token: refresh.0,
            expires_in: self.access_lifetime_s,
        })
    }

    fn derived(&self, purpose: &str, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac =
            <Hmac<Sha256> as KeyInit>::new_from_slice(&self.refresh_key).expect("HMAC accepts keys of any length");
        mac.update(purpose.as_bytes());
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().into()
    }
}

impl RefreshToken {
    /// The digest that is stored.
    pub fn digest(&self) -> Vec<u8> {
        Sha256::digest(&self.0).to_vec()
    }
}

impl From<String> for RefreshToken {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// Parses concatenated public keys in PEM.
fn previous_keys(pem: &str) -> Result<Vec<SigningKey>, String> {
    const END: &str = "-----END PUBLIC KEY-----";
    let wrong = |_| {
        "previous_keys holds something other than an Ed25519 public key in PEM: make them with openssl pkey -pubout"
            .to_owned()
    };
    let blocks = pem.split_inclusive(END).filter(|block| !block.trim().is_empty());
    blocks
        .map(|block| {
            let key = DecodingKey::from_ed_pem(block.trim().as_bytes()).map_err(wrong)?;
            signing_key(Jwk::from_decoding_key(&key, Some(Algorithm::EdDSA)))
        })
        .collect()
}

/// A public key as callers get it, identified by its thumbprint (RFC 7638).
fn signing_key(jwk: Result<Jwk, jsonwebtoken::errors::Error>) -> Result<SigningKey, String> {
    let jwk = jwk.map_err(|error| format!("the key cannot be used: {error}"))?;
    let kid = jwk.thumbprint(ThumbprintHash::SHA256).map_err(|error| error.to_string())?;
    let AlgorithmParameters::OctetKeyPair(pair) = jwk.algorithm else {
        return Err("the key is not Ed25519".to_owned());
    };
    Ok(SigningKey { kid, kty: "OKP".to_owned(), crv: "Ed25519".to_owned(), x: pair.x })
}
