//! A store for one test, with access to its raw contents.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use events::Envelope;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use skeleton::{
    Clock, Elasticsearch, Environment, Index, Settings, StoreError,
    store::{
        ServiceContext, Store, StoreBuilder, Transaction,
        elasticsearch::{Document, IndexPlan, Question},
    },
    testing::{Provisioned, Servers, TestStore},
};
use uuid::Uuid;

pub const FIRST: &[IndexPlan] = &[IndexPlan {
    name: "things",
    version: 1,
    body: r#"{ "mappings": { "dynamic": "strict", "properties": { "name": { "type": "keyword" }, "size": { "type": "integer" } } } }"#,
}];

pub const SECOND: &[IndexPlan] = &[IndexPlan {
    name: "things",
    version: 2,
    body: r#"{ "mappings": { "dynamic": "strict", "properties": { "name": { "type": "text" }, "size": { "type": "long" } } } }"#,
}];

/// The documents of the test index.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Thing {
    pub owner_id: Uuid,
    pub name: String,
    pub size: Value,
}

impl Document for Thing {
    const INDEX: &'static str = "things";

    fn owner(&self) -> Uuid {
        self.owner_id
    }
}

pub struct Bench {
    pub provisioned: Provisioned,
    pub store: Elasticsearch,
    pub owner: Uuid,
}

impl Bench {
    pub async fn new() -> Self {
        let name = Uuid::new_v4().simple().to_string();
        let provisioned = Elasticsearch::provision(&format!("test-{}", &name[..12])).await;
        let store = open(&provisioned, FIRST, &[]);
        store.migrate().await.unwrap();
        Self { provisioned, store, owner: Uuid::new_v4() }
    }

    pub fn thing(&self, name: &str) -> Thing {
        Thing { owner_id: self.owner, name: name.to_owned(), size: json!(1) }
    }

    pub async fn begin(&self) -> Index {
        begin(&self.store).await
    }

    /// Writes one document in its own batch.
    pub async fn put(&self, id: Uuid, version: i64, thing: &Thing) -> Result<(), StoreError> {
        let mut index = self.begin().await;
        index.put(id, version, thing).unwrap();
        index.commit().await
    }

    /// Writes one tombstone in its own batch.
    pub async fn bury(&self, id: Uuid, version: i64) {
        let mut index = self.begin().await;
        index.bury::<Thing>(id, version);
        index.commit().await.unwrap();
    }

    pub async fn erase(&self, owner: Uuid) {
        let mut index = self.begin().await;
        index.erase(owner);
        index.commit().await.unwrap();
    }

    /// The raw document with an id.
    pub async fn kept(&self, id: Uuid) -> Value {
        self.raw(reqwest::Method::GET, &format!("things/_doc/{id}"), Value::Null).await
    }

    /// The names of an account's searchable documents, in order.
    pub async fn found(&self, owner: Uuid) -> Vec<String> {
        self.raw(reqwest::Method::POST, "things/_refresh", Value::Null).await;
        let everything = Question {
            query: json!({ "match_all": {} }),
            then_by: &["size"],
            one_per: None,
            passages: None,
            limit: 100,
        };
        let mut answers = self.store.find_of::<Thing>(owner, &[everything]).await.unwrap();
        answers.remove(0).into_iter().map(|hit| hit.document.name).collect()
    }

    /// Sends the server a request about an index with the test's prefix.
    pub async fn raw(&self, method: reqwest::Method, path: &str, body: Value) -> Value {
        let url = format!("{}/{}-{path}", Servers::from_env().elasticsearch, self.provisioned.name);
        let request = reqwest::Client::new().request(method, url);
        let request = if body.is_null() { request } else { request.json(&body) };
        request.send().await.unwrap().json().await.unwrap()
    }

    pub async fn done(self) {
        Elasticsearch::remove(self.provisioned).await;
    }
}

pub fn open(provisioned: &Provisioned, plans: &'static [IndexPlan], overrides: &[(&str, &str)]) -> Elasticsearch {
    let mut settings = Settings::read_with("search", "", Default::default()).unwrap();
    let given = provisioned.settings.iter().map(|(key, value)| (*key, value.as_str()));
    for (key, value) in given.chain(overrides.iter().copied()) {
        settings.set("store", key, value);
    }
    Elasticsearch::indexed_by(plans).open(&settings).unwrap()
}

pub async fn begin(store: &Elasticsearch) -> Index {
    let service = Arc::new(ServiceContext::new("search", Environment::system()));
    store.begin(&service, &[]).await.unwrap()
}

/// A clock that does not move.
pub struct Standing(pub DateTime<Utc>);

impl Clock for Standing {
    fn now(&self) -> DateTime<Utc> {
        self.0
    }
}

/// A random number generator that returns constants.
pub struct Same;

impl skeleton::Rng for Same {
    fn next(&self) -> u128 {
        7
    }
}

/// An envelope with this sequence.
pub fn envelope(sequence: Option<i64>) -> Envelope {
    let event = contacts_events::samples::contact_added();
    Envelope {
        id: Uuid::new_v4(),
        name: "contacts.contact-added.v1".to_owned(),
        source: "/contacts".to_owned(),
        time: Utc::now(),
        subject: Some(event.contact_id.to_string()),
        sequence,
        trace: None,
        correlation_id: None,
        causation_id: None,
        actor: None,
        deadline: None,
    }
}
