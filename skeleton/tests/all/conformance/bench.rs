//! A store for one test, with two replicas on it.

use std::{collections::BTreeMap, future::Future, pin::Pin, sync::Arc};

use chrono::{SubsecRound, TimeDelta, Utc};
use contacts_events::ContactRemoved;
use skeleton::{
    Elasticsearch, Environment, Neo4j, Postgres, Publish, ServiceContext, Settings,
    messaging::order::SequencePosition,
    store::{OutboxRow, SetAside, State, Store, StoreBuilder, Transaction},
    testing::{Provisioned, TestStore},
};
use uuid::Uuid;

use crate::simulation::{Database, Ledger, Life, Memory};

type Removing = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = ()>>>>;

/// A store as seen by two replicas.
pub struct Bench<S> {
    pub store: S,
    pub other: S,
    pub service: Arc<ServiceContext>,
    removing: Removing,
}

impl<S: Store> Bench<S> {
    async fn of(store: S, other: S, removing: Removing) -> Self {
        store.migrate().await.unwrap();
        Self { store, other, service: Arc::new(ServiceContext::new("contacts", Environment::system())), removing }
    }

    pub async fn begin(&self, inbox_ids: &[Uuid]) -> S::Tx {
        self.store.begin(&self.service, inbox_ids).await.unwrap()
    }

    /// Begins a transaction of the other replica in the background.
    pub fn begin_elsewhere(&self, inbox_ids: &[Uuid]) -> tokio::task::JoinHandle<S::Tx> {
        let (store, service, inbox_ids) = (self.other.clone(), self.service.clone(), inbox_ids.to_vec());
        tokio::spawn(async move { store.begin(&service, &inbox_ids).await.unwrap() })
    }

    pub async fn done(self) {
        drop((self.store, self.other));
        (self.removing)().await;
    }
}

impl<S: Store<Tx: Publish>> Bench<S> {
    /// Publishes events about these subjects, in one transaction.
    pub async fn publish(&self, subjects: &[Uuid]) {
        let mut tx = self.begin(&[]).await;
        for subject in subjects {
            tx.publish(removed(*subject)).unwrap();
        }
        tx.commit().await.unwrap();
    }
}

/// An in-memory store.
pub async fn memory() -> Bench<Memory> {
    let database = Database::of("contacts", &Arc::new(Ledger::default()));
    let open = || Memory::connected(&database, Life::quiet());
    Bench::of(open(), open(), Box::new(|| Box::pin(async {}))).await
}

/// A Postgres database.
pub async fn postgres() -> Bench<Postgres> {
    on_server(|settings| Postgres::migrated_by(&[]).open(settings).unwrap()).await
}

/// The Neo4j database, empty.
pub async fn neo4j() -> Bench<Neo4j> {
    on_server(|settings| Neo4j::migrated_by(&[]).open(settings).unwrap()).await
}

/// Elasticsearch indices.
pub async fn elasticsearch() -> Bench<Elasticsearch> {
    on_server(|settings| Elasticsearch::indexed_by(&[]).open(settings).unwrap()).await
}

async fn on_server<S: TestStore>(open: impl Fn(&Settings) -> S) -> Bench<S> {
    let name = Uuid::new_v4().simple().to_string();
    let provisioned: Provisioned = S::provision(&format!("conform-{}", &name[..12])).await;
    let mut settings = Settings::read_with("contacts", "", Default::default()).unwrap();
    for (key, value) in &provisioned.settings {
        settings.set("store", key, value.as_str());
    }
    Bench::of(open(&settings), open(&settings), Box::new(|| Box::pin(S::remove(provisioned)))).await
}

/// An event about this subject.
pub fn removed(contact_id: Uuid) -> ContactRemoved {
    ContactRemoved { contact_id, ..contacts_events::samples::contact_removed() }
}

/// The sequences of a subject, in outbox order.
pub fn numbers_of(rows: &[OutboxRow], subject: Uuid) -> Vec<i64> {
    let subject = subject.to_string();
    let about = rows.iter().filter(|row| row.envelope.subject.as_ref() == Some(&subject));
    about.map(|row| row.envelope.sequence.unwrap()).collect()
}

/// The queue of the messages from [`waiting`].
pub const QUEUE: &str = "contacts.events";

/// A message that has failed once and is due for a retry.
pub fn waiting() -> SetAside {
    let (message, now) = (Uuid::new_v4(), Utc::now().trunc_subsecs(6));
    SetAside {
        message,
        queue: QUEUE.to_owned(),
        name: "contacts.contact-added.v1".to_owned(),
        subject: Some("a subject".to_owned()),
        headers: BTreeMap::from([("cloudEvents:id".to_owned(), message.to_string())]),
        body: vec![b'{', 0xff, 0, b'}'],
        place: None,
        state: State::Waiting,
        attempts: 1,
        due_at: now - TimeDelta::seconds(1),
        reason: "the account 50% (a*c?) is not known \\ yet".to_owned(),
        stack: None,
        first_failed_at: now,
        last_failed_at: now,
    }
}

/// A message that waits for its predecessor.
pub fn behind(line: &str, number: i64) -> SetAside {
    let place = Some(SequencePosition { line: line.to_owned(), number });
    SetAside { state: State::Behind, place, attempts: 0, ..waiting() }
}
