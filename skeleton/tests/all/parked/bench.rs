//! A store for one test, of any kind, with set-aside messages.

use std::collections::BTreeMap;

use chrono::{DateTime, SubsecRound, Utc};
use serde_json::{Value, json};
use skeleton::{
    Settings,
    store::{SetAside, State, StoreBuilder},
    testing::{Provisioned, TestStore},
};
use uuid::Uuid;

pub struct Bench<S> {
    pub provisioned: Provisioned,
    pub store: S,
}

impl<S: TestStore> Bench<S> {
    pub async fn new(plan: impl StoreBuilder<Store = S>) -> Self {
        let name = Uuid::new_v4().simple().to_string();
        let provisioned = S::provision(&format!("parked-{}", &name[..12])).await;
        let mut settings = Settings::read_with("contacts", "", Default::default()).unwrap();
        for (key, value) in &provisioned.settings {
            settings.set("store", key, value.as_str());
        }
        let store = plan.open(&settings).unwrap();
        store.migrate().await.unwrap();
        Self { provisioned, store }
    }

    /// Stores messages in order.
    pub async fn keep<const N: usize>(&self, messages: [SetAside; N]) -> [SetAside; N] {
        for message in &messages {
            self.store.set_aside(message).await.unwrap();
        }
        messages
    }

    pub async fn done(self) {
        S::remove(self.provisioned).await;
    }
}

/// The data of a message as it should be, and as it is parked.
pub fn data() -> Value {
    let mut data = json!(contacts_events::samples::contact_added_v2());
    data["emails"] = json!(["zoe@example.org"]);
    data
}

/// Data that violates its schema: the time is invalid.
pub fn broken_data() -> Value {
    let mut data = data();
    data["added_at"] = json!("yesterday");
    data
}

pub fn hours_ago(hours: i64) -> DateTime<Utc> {
    (Utc::now() - chrono::Duration::hours(hours)).trunc_subsecs(6)
}

pub fn parked() -> SetAside {
    let message = Uuid::new_v4();
    SetAside {
        message,
        queue: "contacts.events".to_owned(),
        name: "contacts.contact-added.v2".to_owned(),
        subject: Some(message.to_string()),
        headers: BTreeMap::from([("cloudEvents:id".to_owned(), message.to_string())]),
        body: broken_data().to_string().into_bytes(),
        place: None,
        state: State::Parked,
        attempts: 5,
        due_at: hours_ago(1),
        reason: "/added_at breaks the rule \"format\"".to_owned(),
        stack: None,
        first_failed_at: hours_ago(2),
        last_failed_at: hours_ago(1),
    }
}
