//! Access tokens: signed by accounts, verified here with its public keys.
//!
//! Whatever is wrong with a token, the answer is the same, so that nobody learns what to mend.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use chrono::{DateTime, Utc};
use events::{
    TraceParent,
    accounts::{GetSigningKeys, SigningKey},
};
use jsonwebtoken::{
    Algorithm, DecodingKey, Header, Validation, decode, decode_header,
    errors::{Error, ErrorKind},
};
use serde::Deserialize;
use serde_json::Map;
use skeleton::{Asking, Problem, Requests};
use tokio::{sync::Mutex, time::Instant};
use uuid::Uuid;

const ISSUER: &str = "kith";
const AUDIENCE: &str = "kith-api";
const TYPE: &str = "at+jwt";
const LEEWAY_S: u64 = 5;
const LONGEST: usize = 4 * 1024;
/// An unknown key is asked for no more often than this, or anyone could make us ask without end.
const BETWEEN_QUESTIONS: Duration = Duration::from_secs(5);
/// The same where the question had no answer.
const BETWEEN_FAILURES: Duration = Duration::from_millis(500);

/// What a valid token says.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Claims {
    /// The account.
    #[serde(rename = "sub")]
    pub account_id: Uuid,
    /// The session.
    #[serde(rename = "sid")]
    pub session_id: Uuid,
    /// When the token is no longer valid.
    #[serde(rename = "exp", with = "chrono::serde::ts_seconds")]
    pub expires_at: DateTime<Utc>,
}

/// Verifies access tokens.
pub struct Tokens {
    keys: RwLock<Keys>,
    asked: Mutex<Option<Asked>>,
    validation: Validation,
}

type Keys = Arc<HashMap<String, DecodingKey>>;

/// When the keys were asked for last, and whether they came.
#[derive(Clone, Copy)]
struct Asked {
    at: Instant,
    answered: bool,
}

impl Tokens {
    /// Knows no keys yet.
    pub fn new() -> Self {
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.validate_nbf = true;
        validation.leeway = LEEWAY_S;
        Self { keys: RwLock::default(), asked: Mutex::default(), validation }
    }

    /// What a token says, where it is valid.
    ///
    /// # Errors
    /// 401, the same for all that can be wrong with a token; 503 where its key cannot be asked for.
    pub async fn verify(&self, token: &str, requests: &Requests, trace: TraceParent) -> Result<Claims, Problem> {
        let key_id = key_id_of(token).ok_or_else(refused)?;
        let keys = match self.known() {
            keys if keys.contains_key(&key_id) => keys,
            _ => self.asked_for(&key_id, requests, trace).await?,
        };
        let key = keys.get(&key_id).ok_or_else(refused)?;
        decode::<Claims>(token, key, &self.validation).map(|token| token.claims).map_err(|error| {
            count_refused(&error);
            refused()
        })
    }

    /// Asks for the keys, in place of those known.
    ///
    /// # Errors
    /// Where accounts does not answer.
    pub async fn renew_keys(&self, requests: &Requests, trace: Option<TraceParent>) -> Result<(), Problem> {
        let asking = Asking { trace, ..Asking::default() };
        let view = requests.ask(&GetSigningKeys(Map::new()), asking).await?;
        let keys: HashMap<_, _> = view.keys.iter().filter_map(readable).collect();
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        Ok(())
    }

    /// The keys after asking for one that is not known, or without asking where that was just done.
    async fn asked_for(&self, key_id: &str, requests: &Requests, trace: TraceParent) -> Result<Keys, Problem> {
        let mut asked = self.asked.lock().await;
        let keys = self.known();
        if keys.contains_key(key_id) {
            return Ok(keys);
        }
        match *asked {
            Some(Asked { at, answered: true }) if at.elapsed() < BETWEEN_QUESTIONS => return Ok(keys),
            Some(Asked { at, answered: false }) if at.elapsed() < BETWEEN_FAILURES => return Err(unavailable()),
            Some(_) | None => {}
        }
        let answered = self.renew_keys(requests, Some(trace)).await.is_ok();
        *asked = Some(Asked { at: Instant::now(), answered });
        if answered { Ok(self.known()) } else { Err(unavailable()) }
    }

    fn known(&self) -> Keys {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The one answer to every token that is not valid.
pub fn refused() -> Problem {
    Problem::new(401, "unauthorized", "the access token is missing or not valid: sign in or refresh it")
}

/// Counts a token that was refused. One that has expired is everyday; one that is not valid yet is another clock.
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

fn unavailable() -> Problem {
    Problem::unavailable("tokens cannot be checked just now: try again in a moment")
}

/// Which key a token says it is signed with, where its header is one that accounts would write. Where else a header
/// says a key could be found (`jku`, `x5u`, `jwk`) is never looked at.
fn key_id_of(token: &str) -> Option<String> {
    if token.len() > LONGEST {
        return None;
    }
    let Header { typ, alg, kid, crit: None, .. } = decode_header(token).ok()? else { return None };
    (alg == Algorithm::EdDSA && typ.as_deref() == Some(TYPE)).then_some(kid).flatten()
}

fn readable(key: &SigningKey) -> Option<(String, DecodingKey)> {
    let is_ours = key.kty == "OKP" && key.crv == "Ed25519";
    let decoded = is_ours.then(|| DecodingKey::from_ed_components(&key.x).ok()).flatten();
    if decoded.is_none() {
        tracing::warn!(key.id = key.kid, "a signing key cannot be read: tokens signed with it are refused");
    }
    Some((key.kid.clone(), decoded?))
}
