//! Servers that refuse the login, lack the database, or cannot be reached: the start ends with the server's reason, the
//! address and the settings to check, without waiting where waiting does not help.

use std::{net::TcpListener, time::Duration};

use skeleton::{
    Elasticsearch, Environment, Neo4j, Postgres, Service, Settings,
    store::{Store, StoreBuilder},
    testing::{Logs, Provisioned, Servers, TestStore, World, broker_password, eventually},
};
use tokio::time::timeout;

use crate::{probe, relaying::subscribes};

/// Much shorter than `life.startup_timeout_s`, 300 by default.
const AT_ONCE: Duration = Duration::from_secs(30);

const PASSWORD_SETTING: &str = "store.password (CONTACTS__STORE__PASSWORD or CONTACTS__STORE__PASSWORD_FILE)";
const WRONG: &str = "a-wrong-password";

fn settings(values: &[(&str, &str, &str)]) -> Settings {
    let mut settings = Settings::read_with("contacts", "", Default::default()).unwrap();
    values.iter().for_each(|(section, key, value)| settings.set(section, key, *value));
    settings
}

/// A port on which nothing listens.
fn unused_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

async fn why_not_started<S: Store>(service: Service<S>, settings: Settings) -> String {
    let starting = Box::pin(service.start(settings, Environment::system()));
    let limit = AT_ONCE + S::REFUSES_FOR;
    match timeout(limit, starting).await {
        Ok(Ok(_)) => panic!("the service started"),
        Ok(Err(error)) => error.to_string(),
        Err(_) => panic!("the start still waits after {limit:?}"),
    }
}

fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is missing from: {text}");
    }
    assert!(!text.contains(WRONG), "the password is displayed: {text}");
}

/// `host:port` of an address.
fn place_of(url: &str) -> &str {
    url.rsplit_once('@').unwrap().1.split('/').next().unwrap()
}

#[tokio::test]
async fn postgres_refuses_a_wrong_password_and_a_missing_database_with_its_own_words() {
    let (url, password) = Servers::without_password(&Servers::from_env().postgres);
    let (place, _) = url.rsplit_once('/').unwrap();

    let login = settings(&[("store", "url", &url), ("store", "password", WRONG)]);
    let login = why_not_started(probe::service(), login).await;
    let database = settings(&[("store", "url", &format!("{place}/nowhere")), ("store", "password", &password)]);
    let database = why_not_started(probe::service(), database).await;

    let settings = ["store.url (CONTACTS__STORE__URL)", PASSWORD_SETTING, place_of(&url)];
    says(&login, &["password authentication failed for user", "(28P01)", "database postgres"]);
    says(&login, &settings);
    says(&database, &["database \"nowhere\" does not exist (3D000)", "database nowhere"]);
    says(&database, &settings);
}

#[tokio::test]
async fn a_transaction_that_may_be_idle_for_less_than_a_handler_takes_is_refused() {
    for section in ["retry", "retry_events", "retry_jobs"] {
        let (url, _) = Servers::without_password(&Servers::from_env().postgres);
        let wrong = settings(&[("store", "url", &url), (section, "handler_timeout_ms", "90000")]);
        let why = why_not_started(probe::service(), wrong).await;
        says(&why, &["[store] idle_transaction_ms: is ", "must be longer than every handler_timeout_ms (one is "]);
    }
}

#[tokio::test]
async fn a_query_to_postgres_that_gets_no_connection_names_the_cause_and_the_server() {
    let (url, _) = Servers::without_password(&Servers::from_env().postgres);
    let store = Postgres::migrated_by(&[]);
    let store = store.open(&settings(&[("store", "url", &url), ("store", "password", WRONG)])).unwrap();

    let error = store.query("select 1", &[]).await.unwrap_err();

    assert!(error.is_refused());
    says(&error.to_string(), &["password authentication failed for user", "(28P01)", place_of(&url)]);
}

#[tokio::test]
async fn neo4j_refuses_a_wrong_password_and_is_not_asked_until_it_locks_the_user() {
    let (url, password) = Servers::without_password(&Servers::from_env().neo4j);
    let service = || Service::named("contacts").store(Neo4j::migrated_by(&[]));
    let wrong = settings(&[("store", "url", &url), ("store", "password", WRONG)]);

    let login = why_not_started(service(), wrong.clone()).await;
    let store = Neo4j::migrated_by(&[]).open(&wrong).unwrap();
    for _ in 0..10 {
        let error = store.ping().await.unwrap_err().to_string();
        says(&error, &["neo4j: the login is refused", place_of(&url), PASSWORD_SETTING]);
    }

    says(&login, &["neo4j: the login is refused", place_of(&url), PASSWORD_SETTING]);
    let right = settings(&[("store", "url", &url), ("store", "password", &password)]);
    let right = Neo4j::migrated_by(&[]).open(&right).unwrap();
    eventually("the right password is accepted", async || {
        let error = right.ping().await.err().map(|error| error.to_string());
        // The client reports a lock like a wrong password.
        assert!(!error.as_deref().unwrap_or_default().contains("the login is refused"), "the user is locked");
        error.map_or(Ok(()), Err)
    })
    .await;
}

#[tokio::test]
async fn elasticsearch_refuses_a_wrong_password() {
    let (url, _) = Servers::without_password(&Servers::from_env().elasticsearch);
    let service = Service::named("contacts").read_model_store(Elasticsearch::indexed_by(&[]));

    let login = why_not_started(service, settings(&[("store", "url", &url), ("store", "password", WRONG)])).await;

    says(&login, &["elasticsearch: the login is refused: security_exception (401)", place_of(&url)]);
    says(&login, &["store.url (CONTACTS__STORE__URL)", PASSWORD_SETTING]);
}

#[tokio::test]
async fn a_login_that_elasticsearch_refuses_at_first_may_be_accepted_later() {
    let admin = Servers::from_env().elasticsearch;
    let provisioned = Elasticsearch::provision(&uuid::Uuid::new_v4().simple().to_string()[..12]).await;
    let mut settings = settings(&[]);
    provisioned.settings.iter().for_each(|(key, value)| settings.set("store", key, value.as_str()));
    settings.set("store", "password", "accepted-later");
    let service = Service::named("contacts").read_model_store(Elasticsearch::indexed_by(&[]));
    let http = reqwest::Client::new();
    let (user, password) = (provisioned.name.clone(), serde_json::json!({ "password": "accepted-later" }));

    let starting = Box::pin(service.start(settings, Environment::system()));
    let accepting = async {
        let (url, _) = Servers::without_password(&admin);
        let place = format!("http://{}", place_of(&url));
        let refused = http.get(&place).basic_auth(&user, Some("accepted-later")).send().await.unwrap();
        assert_eq!(refused.status(), 401);
        let changed =
            http.put(format!("{admin}/_security/user/{user}/_password")).json(&password).send().await.unwrap();
        assert!(changed.status().is_success(), "{changed:?}");
    };
    let (started, ()) = tokio::join!(starting, accepting);

    // It has no queue and no broker, but the store was accepted.
    if let Err(error) = started {
        assert!(!error.to_string().contains("elasticsearch"), "{error}");
    }
    <Elasticsearch as TestStore>::remove(provisioned).await;
}

#[tokio::test]
async fn a_store_that_cannot_be_reached_is_named_with_its_address_and_setting() {
    let port = unused_port();
    let place = format!("127.0.0.1:{port}");
    let at = |scheme: &str, path: &str| {
        settings(&[("store", "url", &format!("{scheme}://kith@{place}{path}")), ("life", "startup_timeout_s", "0")])
    };

    let postgres = why_not_started(probe::service(), at("postgres", "/kith")).await;
    let neo4j = Service::named("contacts").store(Neo4j::migrated_by(&[]));
    let neo4j = why_not_started(neo4j, at("bolt", "")).await;
    let elasticsearch = Service::named("contacts").read_model_store(Elasticsearch::indexed_by(&[]));
    let elasticsearch = why_not_started(elasticsearch, at("http", "")).await;

    for text in [postgres, neo4j, elasticsearch] {
        says(&text, &["Connection refused", &place, "user kith", "store.url (CONTACTS__STORE__URL)"]);
    }
}

async fn provisioned() -> Provisioned {
    Postgres::provision(&format!("refused_{}", uuid::Uuid::new_v4().simple())).await
}

/// Settings with a working store and this broker.
fn with_broker(provisioned: &Provisioned, url: &str, password: &str) -> Settings {
    let mut settings = settings(&[("broker", "url", url), ("broker", "password", password)]);
    provisioned.settings.iter().for_each(|(key, value)| settings.set("store", key, value.as_str()));
    settings
}

#[tokio::test]
async fn the_broker_refuses_a_wrong_password_and_a_missing_virtual_host() {
    let world = World::new().await;
    // Creates the user.
    subscribes(&world, "contacts", &[]).await;
    let url = world.amqp_url("contacts");
    let (place, _) = url.rsplit_once('/').unwrap();
    let store = provisioned().await;

    let login = why_not_started(probe::service(), with_broker(&store, &url, WRONG)).await;
    let host = with_broker(&store, &format!("{place}/nowhere"), &broker_password("contacts"));
    let host = why_not_started(probe::service(), host).await;

    says(
        &login,
        &[
            "the broker cannot be used",
            "ACCESS_REFUSED",
            place_of(&url),
            "broker.url (CONTACTS__BROKER__URL) and broker.password",
        ],
    );
    says(&host, &["the broker cannot be used", "NOT_ALLOWED", "virtual host nowhere", "check broker.url"]);
    Postgres::remove(store).await;
    world.remove().await;
}

#[tokio::test]
async fn another_user_than_the_services_own_is_a_wrong_setting() {
    let store = provisioned().await;

    let place = format!("127.0.0.1:{}", unused_port());
    let other = with_broker(&store, &format!("amqp://guest@{place}/%2f"), "");
    let other = why_not_started(probe::service(), other).await;
    let none = with_broker(&store, &format!("amqp://{place}/%2f"), "");
    let running = Box::pin(probe::service().start(none, Environment::system())).await.unwrap();

    says(&other, &["[broker] url", "the user is guest: it must be contacts", "CONTACTS__BROKER__URL"]);
    let page = format!("http://{}/health/ready", running.admin_address);
    eventually("without a user in the address, it is the service's", async || {
        let text = reqwest::get(&page).await.unwrap().text().await.unwrap();
        if text.contains("user contacts") { Ok(()) } else { Err(text) }
    })
    .await;
    running.stop().await;
    Postgres::remove(store).await;
}

#[tokio::test]
async fn a_broker_that_cannot_be_reached_is_waited_for_and_the_log_repeats_the_cause() {
    let logs = Logs::captured();
    let (store, place) = (provisioned().await, format!("127.0.0.1:{}", unused_port()));

    let settings = with_broker(&store, &format!("amqp://contacts@{place}/%2f"), "");
    let running = Box::pin(probe::service().start(settings, Environment::system())).await.unwrap();

    eventually("the cause is logged again", async || {
        let lines = logs.containing(&place);
        let about = |line: &&String| line.contains("failed to connect to the broker") && line.contains("refused");
        let told = lines.iter().filter(about).count();
        if told >= 4 { Ok(()) } else { Err(format!("{told} lines")) }
    })
    .await;
    let page = format!("http://{}/health/ready", running.admin_address);
    eventually("readiness names the cause", async || {
        let text = reqwest::get(&page).await.unwrap().text().await.unwrap();
        if text.contains(&place) { Ok(()) } else { Err(text) }
    })
    .await;
    assert!(logs.containing("Exponential backoff").is_empty(), "the broker's client repeats itself");
    running.stop().await;
    Postgres::remove(store).await;
}
