//! Shared by this service's tests: its start with cheap password hashes, registration and sign-in.

use accounts_events::{AccountView, OpenSession, RegisterAccount, SessionView};
use base64::{Engine, prelude::BASE64_STANDARD};
use skeleton::{
    Postgres,
    testing::{TestApp, TestClock, World, eventually},
};
use uuid::Uuid;

pub const PASSWORD: &str = "correct horse battery";

/// A private key made from one byte: PKCS#8's prefix for Ed25519, then 32 bytes of seed.
pub fn signing_key(seed: u8) -> String {
    let mut der = vec![0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
    der.extend([seed; 32]);
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", BASE64_STANDARD.encode(der))
}

pub async fn start() -> TestApp<Postgres> {
    start_with(&[]).await
}

pub async fn start_with(settings: &[(&str, &str, &str)]) -> TestApp<Postgres> {
    let key = signing_key(7);
    let mut all =
        vec![("passwords", "memory_kib", "64"), ("passwords", "rounds", "1"), ("tokens", "signing_key", key.as_str())];
    all.extend(settings);
    TestApp::start(accounts::service(), &all).await
}

/// The same in a world whose clock the test controls.
pub async fn start_in_time_of(clock: &TestClock) -> TestApp<Postgres> {
    let key = signing_key(7);
    let settings =
        [("passwords", "memory_kib", "64"), ("passwords", "rounds", "1"), ("tokens", "signing_key", key.as_str())];
    World::in_time_of(clock).await.start(accounts::service(), &settings).await
}

pub fn application() -> RegisterAccount {
    RegisterAccount {
        email: format!("{}@example.org", Uuid::new_v4().simple()),
        password: PASSWORD.to_owned(),
        name: "Ada Lovelace".to_owned(),
        discoverable: None,
        nameable: None,
    }
}

pub async fn register(app: &TestApp<Postgres>) -> AccountView {
    app.call(&application()).await.unwrap()
}

pub fn sign_in(account: &AccountView) -> OpenSession {
    OpenSession { email: account.email.clone(), password: PASSWORD.to_owned(), device: "Firefox on Linux".to_owned() }
}

pub async fn signed_in(app: &TestApp<Postgres>) -> (AccountView, SessionView) {
    let account = register(app).await;
    let session = app.call(&sign_in(&account)).await.unwrap();
    (account, session)
}

/// Waits until a statement that matches this pattern waits for a lock.
pub async fn waits_for_a_lock(store: &Postgres, pattern: &str) {
    eventually("a statement that waits for a lock", async || {
        let sql = "select count(*) from pg_stat_activity where datname = current_database()
            and pid <> pg_backend_pid() and wait_event_type = 'Lock' and query like $1";
        match store.query_one(sql, &[&pattern]).await.unwrap().get::<_, i64>(0) {
            0 => Err(format!("no {pattern} waits")),
            _ => Ok(()),
        }
    })
    .await;
}
