//! Erases an account in all services, on real servers. Each service confirms, and unconfirmed services are
//! reminded. There is one report, and a receipt that anyone who has its id may read.

#![allow(clippy::unwrap_used, reason = "a test shall fail on an unexpected value")]

#[macro_use]
mod every_service;

use std::{pin::Pin, time::Duration};

use accounts::domain::{OWN, parts::OTHERS};
use accounts_events::{Erased, ErasureFinished};
use base64::{Engine, prelude::BASE64_STANDARD};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use skeleton::{
    Elasticsearch, Neo4j, Postgres,
    store::{Delays, neo4j::query},
    testing::{Neighbour, Servers, SmtpSink, TestApp, eventually},
};
use uuid::Uuid;

const PASSWORD: &str = "correct horse battery";

/// The services that this test knows more of than their names.
const KNOWN: [&str; 6] = ["accounts", "contacts", "gateway", "network", "notifications", "search"];

/// All services in one world, and an HTTP client.
struct Six {
    accounts: TestApp<Postgres>,
    contacts: Neighbour<Postgres>,
    gateway: Neighbour<Postgres>,
    network: Neighbour<Neo4j>,
    notifications: Neighbour<Postgres>,
    search: Neighbour<Elasticsearch>,
    /// The ends of the other services.
    others: Vec<Pin<Box<dyn Future<Output = ()>>>>,
    _mails: SmtpSink,
    http: Client,
}

/// A member with marked words as personal data.
struct Member {
    word: String,
    token: String,
}

impl Six {
    /// Starts all services. Unconfirmed services are reminded after these delays.
    async fn start(remind_after_ms: &str) -> Self {
        let mails = SmtpSink::start().await;
        let key = signing_key();
        let cheap = [("passwords", "memory_kib", "64"), ("passwords", "rounds", "1")];
        let own = [("tokens", "signing_key", key.as_str()), ("erasure", "remind_after_ms", remind_after_ms)];
        let accounts = TestApp::start(accounts::service(), &[cheap, own].concat()).await;
        let mut contacts = accounts.neighbour(&contacts::service(), &[]).await;
        // All tests share one address, and poll.
        let many = [("rates", "per_address_per_minute", "100000"), ("rates", "burst", "10000")];
        let mut gateway = accounts.neighbour(&gateway::service(), &many).await;
        let mut network = accounts.neighbour(&network::service(), &[("identity", "pepper", "test")]).await;
        let mut notifications = accounts.neighbour(&notifications::service(), &[("mail", "url", &mails.url())]).await;
        let mut search = accounts.neighbour(&search::service(), &[]).await;
        contacts.start(contacts::service()).await;
        gateway.start(gateway::service()).await;
        network.start(network::service()).await;
        notifications.start(notifications::service()).await;
        search.start(search::service()).await;
        let mut others: Vec<Pin<Box<dyn Future<Output = ()>>>> = Vec::new();
        macro_rules! start_other {
            ($service:ident) => {
                if !KNOWN.contains(&stringify!($service)) {
                    let mut other = accounts.neighbour(&$service::service(), &[]).await;
                    other.start($service::service()).await;
                    others.push(Box::pin(other.remove()));
                }
            };
        }
        every_service!(start_other);
        let http = Client::builder().no_proxy().build().unwrap();
        Self { accounts, contacts, gateway, network, notifications, search, others, _mails: mails, http }
    }

    async fn call(&self, method: Method, path: &str, token: &str, body: Value) -> (StatusCode, Value) {
        let url = format!("http://{}/api/v1/{path}", self.gateway.running().http_address.unwrap());
        let mut request = self.http.request(method, url);
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        if !body.is_null() {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        (answer.status(), answer.json().await.unwrap_or_default())
    }

    /// A member with an account, and a contact that all services know.
    async fn member(&self) -> Member {
        let word = format!("marked{}", &Uuid::new_v4().simple().to_string()[..12]);
        let email = format!("{word}@example.org");
        let account = json!({ "email": email, "name": word, "password": PASSWORD });
        let (status, _) = self.call(Method::POST, "accounts", "", account).await;
        assert_eq!(status, 201);
        let login = json!({ "email": email, "password": PASSWORD });
        let (_, session) = self.call(Method::POST, "sessions", "", login).await;
        let token = session["access_token"].as_str().unwrap().to_owned();
        let contact = json!({ "name": word, "notes": word, "emails": [format!("friend-{word}@example.org")] });
        let (status, added) = self.call(Method::POST, "contacts", &token, contact).await;
        assert_eq!(status, 201);
        let contact = format!("contacts/{}", added["id"].as_str().unwrap());
        eventually("search and network have the contact, and notifications the name", async || {
            let (_, found) = self.call(Method::GET, &format!("search?q={word}"), &token, Value::Null).await;
            let (_, linked) = self.call(Method::GET, &contact, &token, Value::Null).await;
            let is_known = found["items"].as_array().is_some_and(|items| !items.is_empty());
            let named = holding(self.notifications.store(), &word).await;
            let all =
                is_known && linked["person_id"].is_string() && named == ["public.contact_names", "public.recipients"];
            if all { Ok(()) } else { Err(format!("{found} {linked} {named:?}")) }
        })
        .await;
        Member { word, token }
    }

    /// Deletes the account. Returns the id of the receipt.
    async fn erase(&self, member: &Member) -> String {
        let (status, begun) = self.call(Method::DELETE, "me", &member.token, Value::Null).await;
        assert_eq!(status, 202, "{begun}");
        begun["receipt_id"].as_str().unwrap().to_owned()
    }

    async fn receipt(&self, id: &str) -> Value {
        let (status, receipt) = self.call(Method::GET, &format!("erasures/{id}"), "", Value::Null).await;
        assert_eq!(status, 200, "{receipt}");
        receipt
    }

    /// Waits until exactly these parts have not confirmed.
    async fn missing_are(&self, receipt: &str, expected: &[&str]) -> Value {
        eventually(&format!("only {expected:?} have not confirmed"), async || {
            let seen = self.receipt(receipt).await;
            if missing(&seen) == expected { Ok(seen) } else { Err(seen.to_string()) }
        })
        .await
    }

    /// Waits for the report, and checks that there is one, and that no more reminders are sent.
    async fn is_finished(&self, receipt: &str) -> ErasureFinished {
        let seen = self.missing_are(receipt, &[]).await;
        let report = self.accounts.published_once::<ErasureFinished>(|_| true).await;
        assert_eq!(seen["finished_at"], json!(report.finished_at));
        assert_eq!(report.parts.iter().map(|part| part.service.as_str()).collect::<Vec<_>>(), parts());
        assert_eq!(self.accounts.parts().store.delayed().await.unwrap(), 0);
        report
    }

    /// The places in the six stores that still contain the word.
    async fn traces(&self, word: &str) -> Vec<String> {
        let accounts = &self.accounts.parts().store;
        let mut found = Vec::new();
        let postgres = [accounts, self.contacts.store(), self.gateway.store(), self.notifications.store()];
        for store in postgres {
            found.extend(holding(store, word).await);
        }
        let asked = "MATCH (node) UNWIND keys(node) AS key
            WITH node, key WHERE toStringOrNull(node[key]) CONTAINS $word RETURN labels(node)[0] + '.' + key";
        let nodes: Vec<String> = self.network.store().query(query(asked).param("word", word)).await.unwrap();
        found.extend(nodes);
        found.extend(documents(self.search.store(), word).await);
        found
    }

    async fn stop(self) {
        for other in self.others {
            other.await;
        }
        self.gateway.remove().await;
        self.contacts.remove().await;
        self.network.remove().await;
        self.notifications.remove().await;
        self.search.remove().await;
        self.accounts.finish().await;
    }
}

/// The tables of a database that contain a word.
async fn holding(store: &Postgres, word: &str) -> Vec<String> {
    let tables = "select format('%I.%I', table_schema, table_name) from information_schema.tables
        where table_schema in ('public', 'skeleton') order by 1";
    let mut found = Vec::new();
    for row in store.query(tables, &[]).await.unwrap() {
        let table: String = row.get(0);
        let rows = store.query(&format!("select 1 from {table} t where t::text like '%' || $1 || '%'"), &[&word]).await;
        if !rows.unwrap().is_empty() {
            found.push(table);
        }
    }
    let replies = "select 1 from skeleton.inbox where position(convert_to($1, 'UTF8') in reply) > 0";
    if !store.query(replies, &[&word]).await.unwrap().is_empty() {
        found.push("kept replies".to_owned());
    }
    found
}

/// The documents that contain a word in any field.
async fn documents(store: &Elasticsearch, word: &str) -> Vec<String> {
    store.refresh().await.unwrap();
    let url = format!("{}/search-test-*/_search?q=*{word}*", Servers::from_env().elasticsearch);
    let answer: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
    let hits = answer["hits"]["hits"].as_array().unwrap_or_else(|| panic!("{answer}"));
    hits.iter().map(|hit| hit["_index"].as_str().unwrap().to_owned()).collect()
}

/// The services that keep data of accounts.
fn parts() -> Vec<&'static str> {
    [OWN].iter().chain(OTHERS).map(|part| part.service).collect()
}

fn missing(receipt: &Value) -> Vec<&str> {
    let parts = receipt["parts"].as_array().unwrap();
    parts.iter().filter(|part| part["erased_at"].is_null()).map(|part| part["service"].as_str().unwrap()).collect()
}

/// A private key from one repeated byte: PKCS#8's frame for Ed25519, then 32 bytes of seed.
fn signing_key() -> String {
    let mut der = vec![0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
    der.extend([7; 32]);
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", BASE64_STANDARD.encode(der))
}

#[tokio::test]
async fn all_services_erase_their_part_and_confirm_it_and_nothing_is_left() {
    let six = Six::start("[60000]").await;
    let member = six.member().await;
    let before = six.traces(&member.word).await;
    assert!(before.len() >= 8 && before.contains(&"kept replies".to_owned()), "{before:?}");

    let receipt = six.erase(&member).await;

    let report = six.is_finished(&receipt).await;
    assert_eq!(report.reminders, 0);
    let removed = |service: &str| report.parts.iter().find(|part| part.service == service).unwrap().removed;
    assert!(["accounts", "contacts", "network", "notifications", "search"].iter().all(|part| removed(part) > 0));
    let traces = six.traces(&member.word).await;
    assert!(traces.is_empty(), "left in {traces:?}");
    let receipt = six.receipt(&receipt).await.to_string();
    assert!(!receipt.contains(&report.account_id.to_string()) && !receipt.contains(&member.word));
    six.stop().await;
}

#[tokio::test]
async fn a_service_that_is_down_confirms_after_its_restart() {
    let mut six = Six::start("[200, 400]").await;
    let member = six.member().await;
    six.notifications.stop().await;

    let receipt = six.erase(&member).await;

    let seen = six.missing_are(&receipt, &["notifications"]).await;
    assert!(seen["finished_at"].is_null());
    eventually("two reminders were published", async || match six.accounts.published::<Erased>().await.len() {
        0..3 => Err("not yet".to_owned()),
        _ => Ok(()),
    })
    .await;
    assert!(six.accounts.published::<ErasureFinished>().await.is_empty());
    six.notifications.start(notifications::service()).await;

    let report = six.is_finished(&receipt).await;
    assert!(report.reminders >= 2);
    let traces = six.traces(&member.word).await;
    assert!(traces.is_empty(), "left in {traces:?}");
    six.stop().await;
}

#[tokio::test]
async fn a_confirmation_that_was_lost_is_given_again() {
    let six = Six::start("[700]").await;
    let member = six.member().await;
    let (world, key) = (six.accounts.world(), "account-data-erased.v1");
    let url = world.amqp_url("accounts");
    let (_, vhost) = url.rsplit_once('/').unwrap();
    for from in ["contacts", "search"] {
        let path = format!("bindings/{vhost}/e/events.{from}/q/accounts.events/{key}");
        world.admin().delete(&path).await.unwrap();
    }

    let receipt = six.erase(&member).await;
    six.missing_are(&receipt, &["contacts", "search"]).await;
    for from in ["contacts", "search"] {
        let path = format!("bindings/{vhost}/e/events.{from}/q/accounts.events");
        world.admin().post(&path, &json!({ "routing_key": key })).await.unwrap();
    }

    let report = tokio::time::timeout(Duration::from_secs(60), six.is_finished(&receipt)).await.unwrap();
    assert!(report.reminders >= 1);
    six.stop().await;
}
