//! Bearer tokens: every invalid token gets the same refusal, and without keys or revocations none is decided.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use chrono::DateTime;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use serde_json::{Value, json};
use skeleton::{
    Problem,
    http::auth::{AccessClaims, AccessTokens, KeySource, PublicKey, Revocations, TokenRules, unauthorized},
};
use uuid::Uuid;
use warp::http::{HeaderMap, header::AUTHORIZATION};

/// The key pair of RFC 8037 (appendix A).
const SECRET_KEY: [u8; 48] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20, 0x9d, 0x61, 0xb1,
    0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32,
    0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
];
const PUBLIC_KEY: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
const RULES: TokenRules =
    TokenRules { issuer: "library", audience: "library-api", token_type: "at+jwt", leeway: Duration::from_secs(5) };
const ACCOUNT: Uuid = Uuid::from_u128(1);
const SESSION: Uuid = Uuid::from_u128(2);

/// An issuer that publishes its keys or is unavailable.
#[derive(Clone, Default)]
struct Issuer {
    keys: Arc<Mutex<Option<Vec<PublicKey>>>>,
    fetches: Arc<AtomicU32>,
}

impl Issuer {
    fn with(ids: &[&str]) -> Self {
        let issuer = Self::default();
        issuer.publish(Some(ids));
        issuer
    }

    fn publish(&self, ids: Option<&[&str]>) {
        let key = |id: &&str| PublicKey { id: (*id).to_owned(), x: PUBLIC_KEY.to_owned() };
        *self.keys.lock().unwrap() = ids.map(|ids| ids.iter().map(key).collect());
    }

    fn fetches(&self) -> u32 {
        self.fetches.load(Ordering::Relaxed)
    }
}

impl KeySource for Issuer {
    async fn fetch(&self) -> Result<Vec<PublicKey>, Problem> {
        self.fetches.fetch_add(1, Ordering::Relaxed);
        self.keys.lock().unwrap().clone().ok_or_else(|| Problem::unavailable("the issuer is unavailable"))
    }
}

/// Ended sessions.
struct Ended(HashSet<Uuid>);

impl Revocations for Ended {
    async fn is_revoked(&self, claims: &AccessClaims) -> Result<bool, Problem> {
        Ok(self.0.contains(&claims.session_id))
    }
}

/// Revocations that cannot be read.
struct Away;

impl Revocations for Away {
    async fn is_revoked(&self, _: &AccessClaims) -> Result<bool, Problem> {
        Err(Problem::unavailable("the table is unavailable"))
    }
}

fn header(key: &str) -> Header {
    Header { typ: Some("at+jwt".to_owned()), kid: Some(key.to_owned()), ..Header::new(Algorithm::EdDSA) }
}

fn claims() -> Value {
    let now = get_current_timestamp();
    json!({ "iss": "library", "aud": "library-api", "sub": ACCOUNT, "sid": SESSION, "nbf": now, "exp": now + 60 })
}

fn changed(changes: Value) -> Value {
    let mut all = claims();
    for (name, value) in changes.as_object().unwrap() {
        all[name] = value.clone();
    }
    all.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    all
}

fn sign(header: &Header, claims: &Value) -> String {
    encode(header, claims, &EncodingKey::from_ed_der(&SECRET_KEY)).unwrap()
}

fn bearer(token: &str) -> HeaderMap {
    HeaderMap::from_iter([(AUTHORIZATION, format!("Bearer {token}").parse().unwrap())])
}

#[tokio::test]
async fn the_claims_of_a_valid_token_are_the_callers() {
    let (tokens, issuer) = (AccessTokens::new(&RULES), Issuer::with(&["one"]));
    let expires_at = DateTime::from_timestamp(get_current_timestamp() as i64 + 30, 0).unwrap();
    let token = sign(&header("one"), &changed(json!({ "exp": expires_at.timestamp() })));

    let found = tokens.authenticate(&bearer(&token), &issuer, &()).await.unwrap();

    assert_eq!(found, AccessClaims { account_id: ACCOUNT, session_id: SESSION, expires_at });
    tokens.authenticate(&bearer(&token), &issuer, &()).await.unwrap();
    assert_eq!(issuer.fetches(), 1, "a known key is not fetched again");
}

#[tokio::test]
async fn every_invalid_token_gets_the_same_refusal() {
    let (tokens, issuer) = (AccessTokens::new(&RULES), Issuer::with(&["one"]));
    let now = get_current_timestamp();
    let with_claims = |changes| bearer(&sign(&header("one"), &changed(changes)));
    let with_header = |header: Header| bearer(&sign(&header, &claims()));
    let good = sign(&header("one"), &claims());
    let hs256 = Header { alg: Algorithm::HS256, ..header("one") };
    let hs256 = encode(&hs256, &claims(), &EncodingKey::from_secret(PUBLIC_KEY.as_bytes())).unwrap();
    let basic = HeaderMap::from_iter([(AUTHORIZATION, "Basic YWRhOmhvcnNl".parse().unwrap())]);

    for (what, headers) in [
        ("no token", HeaderMap::new()),
        ("another scheme", basic),
        ("not a token", bearer("abc")),
        ("a token cut off", bearer(&good[..good.len() - 4])),
        ("a symmetric algorithm", bearer(&hs256)),
        ("another issuer", with_claims(json!({ "iss": "kith" }))),
        ("no issuer", with_claims(json!({ "iss": null }))),
        ("another audience", with_claims(json!({ "aud": "kith-api" }))),
        ("no audience", with_claims(json!({ "aud": null }))),
        ("no subject", with_claims(json!({ "sub": null }))),
        ("no session", with_claims(json!({ "sid": null }))),
        ("no expiry", with_claims(json!({ "exp": null }))),
        ("expired", with_claims(json!({ "exp": now - 10 }))),
        ("not valid yet", with_claims(json!({ "nbf": now + 30 }))),
        ("another type", with_header(Header { typ: Some("JWT".to_owned()), ..header("one") })),
        ("no type", with_header(Header { typ: None, ..header("one") })),
        ("no key", with_header(Header { kid: None, ..header("one") })),
        ("an unknown key", with_header(header("two"))),
        ("too long", with_claims(json!({ "more": "x".repeat(5_000) }))),
    ] {
        let refused = tokens.authenticate(&headers, &issuer, &()).await.unwrap_err();
        assert_eq!(refused, unauthorized(), "{what}");
    }
    for leeway in [json!({ "exp": now - 2 }), json!({ "nbf": now + 3 })] {
        tokens.authenticate(&with_claims(leeway), &issuer, &()).await.unwrap();
    }
}

#[tokio::test]
async fn a_revoked_token_is_refused_and_unreadable_revocations_are_no_reason_to_accept_one() {
    let (tokens, issuer) = (AccessTokens::new(&RULES), Issuer::with(&["one"]));
    let headers = bearer(&sign(&header("one"), &claims()));

    let revoked = tokens.authenticate(&headers, &issuer, &Ended(HashSet::from([SESSION]))).await;
    let away = tokens.authenticate(&headers, &issuer, &Away).await;
    let other = tokens.authenticate(&headers, &issuer, &Ended(HashSet::from([ACCOUNT]))).await;

    assert_eq!(revoked.unwrap_err(), unauthorized());
    assert_eq!(away.unwrap_err().status, 503);
    assert!(other.is_ok());
}

#[tokio::test]
async fn unknown_keys_are_fetched_at_most_every_few_seconds() {
    let (tokens, issuer) = (AccessTokens::new(&RULES), Issuer::with(&["one"]));

    for _ in 0..20 {
        let refused = tokens.authenticate(&bearer(&sign(&header("two"), &claims())), &issuer, &()).await;
        assert_eq!(refused.unwrap_err(), unauthorized());
    }

    assert_eq!(issuer.fetches(), 1);
}

#[tokio::test]
async fn while_the_issuer_is_away_a_token_is_not_called_invalid_and_known_keys_go_on() {
    let (tokens, issuer) = (AccessTokens::new(&RULES), Issuer::with(&["one"]));
    let known = bearer(&sign(&header("one"), &claims()));
    tokens.authenticate(&known, &issuer, &()).await.unwrap();
    issuer.publish(None);
    let fresh = AccessTokens::new(&RULES);

    let unknown = fresh.authenticate(&known, &issuer, &()).await;
    assert!(tokens.renew_keys(&issuer).await.is_err());

    assert_eq!(unknown.unwrap_err().status, 503);
    tokens.authenticate(&known, &issuer, &()).await.unwrap();
}

#[tokio::test]
async fn a_withdrawn_key_is_refused_once_the_keys_are_renewed() {
    let (tokens, issuer) = (AccessTokens::new(&RULES), Issuer::with(&["one", "two"]));
    tokens.renew_keys(&issuer).await.unwrap();
    assert_eq!(issuer.fetches(), 0, "no key has been needed yet");
    let (one, two) = (bearer(&sign(&header("one"), &claims())), bearer(&sign(&header("two"), &claims())));
    tokens.authenticate(&one, &issuer, &()).await.unwrap();

    issuer.publish(Some(&["two"]));
    tokens.renew_keys(&issuer).await.unwrap();

    assert_eq!(tokens.authenticate(&one, &issuer, &()).await.unwrap_err(), unauthorized());
    tokens.authenticate(&two, &issuer, &()).await.unwrap();
}
