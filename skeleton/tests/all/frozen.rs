//! A relay whose process is frozen loses the right to relay.

use std::{sync::Arc, time::Duration};

use contacts_events::ContactRemoved;
use skeleton::{
    Environment, Postgres, Publish, ServiceContext, Settings,
    store::{Outbox, Store, StoreBuilder, Transaction},
    testing::{TestStore, eventually},
};
use tokio::time::Instant;
use uuid::Uuid;

use crate::processes::Process;

const MIGRATIONS: &[(&str, &str)] = &[("V1__notes", "create table notes (note text not null)")];

async fn notes(store: &Postgres) -> Vec<String> {
    let rows = store.query("select note from notes order by note", &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

async fn note(store: &Postgres, note: &str) {
    store.execute("insert into notes (note) values ($1)", &[&note]).await.unwrap();
}

async fn noted(store: &Postgres, note: &str) {
    eventually(&format!("the note {note:?}"), async || match notes(store).await {
        notes if notes.iter().any(|it| it == note) => Ok(()),
        notes => Err(format!("{notes:?}")),
    })
    .await;
}

/// Reads a message to send and, on a signal, removes it from the outbox, regardless of what happened in between.
#[tokio::test]
#[ignore = "the other process of a test below"]
async fn relay_that_is_frozen() {
    let store = Postgres::migrated_by(MIGRATIONS).open(&Settings::read("contacts", "").unwrap()).unwrap();
    let rows = store.next(10).await.unwrap().unwrap();
    note(&store, "has read").await;
    noted(&store, "go on").await;
    let removed = store.remove(&[rows[0].position]).await;
    note(&store, if removed.is_ok() { "has removed" } else { "was refused" }).await;
    let relays = store.next(10).await.unwrap().is_some();
    note(&store, if relays { "relays" } else { "stands by" }).await;
}

#[tokio::test]
async fn a_frozen_relay_is_replaced_within_15_seconds_and_stands_by_when_it_goes_on() {
    let provisioned = Postgres::provision(&format!("frozen-{}", &Uuid::new_v4().simple().to_string()[..12])).await;
    let mut settings = Settings::read_with("contacts", "", Default::default()).unwrap();
    let mut variables = Vec::new();
    for (key, value) in &provisioned.settings {
        settings.set("store", key, value.as_str());
        variables.push((format!("CONTACTS__STORE__{}", key.to_uppercase()), value.clone()));
    }
    let store = Postgres::migrated_by(MIGRATIONS).open(&settings).unwrap();
    store.migrate().await.unwrap();
    let service = Arc::new(ServiceContext::new("contacts", Environment::system()));
    let mut tx = store.begin(&service, &[]).await.unwrap();
    tx.publish(ContactRemoved { contact_id: Uuid::new_v4(), ..contacts_events::samples::contact_removed() }).unwrap();
    tx.commit().await.unwrap();
    let process = Process::start("frozen::relay_that_is_frozen", &variables);
    noted(&store, "has read").await;

    process.pause();
    let frozen = Instant::now();
    let sending = eventually("this replica relays", async || match store.next(10).await.unwrap() {
        Some(rows) => Ok(rows),
        None => Err("the frozen one relays".to_owned()),
    })
    .await;
    let took = frozen.elapsed();
    note(&store, "go on").await;
    process.resume();

    noted(&store, "was refused").await;
    noted(&store, "stands by").await;
    assert!(took < Duration::from_secs(17), "{took:?}");
    assert_eq!((sending.len(), store.counts().await.unwrap().outbox), (1, 1));
    store.remove(&[sending[0].position]).await.unwrap();
    assert_eq!(store.counts().await.unwrap().outbox, 0);
    drop(process);
    <Postgres as TestStore>::remove(provisioned).await;
}
