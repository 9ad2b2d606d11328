//! A producer that was restored from a backup reuses sequences: how its consumers react, and how to recover.

use chrono::{TimeDelta, Utc};
use contacts_events::ImportStarted;
use events::{Envelope, Message};
use skeleton::{
    Neo4j, Postgres, Publish, Service, Subscriptions,
    service::Recovered,
    store::{Transaction, neo4j},
    testing::{TestApp, somebody},
};
use uuid::Uuid;

use crate::order::{Book, Refused, ends, note, nth, ordered, ordered_graph, sees, write};

#[tokio::test]
async fn in_order_an_event_with_a_number_of_another_is_parked_and_handled_when_it_is_redriven() {
    in_order_it_is_parked(TestApp::start(ordered(&Refused::default()), &[]).await).await;
}

#[tokio::test]
async fn in_order_an_event_with_a_number_of_another_is_parked_and_handled_when_it_is_redriven_in_neo4j() {
    in_order_it_is_parked(TestApp::start(ordered_graph(&Refused::default()), &[]).await).await;
}

async fn in_order_it_is_parked<S: Book>(app: TestApp<S>) {
    let import = Uuid::new_v4();
    let second = nth(import, 2);
    let envelope = Envelope { sequence: Some(2), ..app.world().envelope_for(&second) };
    assert_eq!(ends(&app, import, 1).await, "done");
    assert_eq!(app.receives_in(&second, &envelope).await.outcome, "done");
    assert_eq!(ends(&app, import, 3).await, "done");

    assert_eq!(app.receives_in(&second, &envelope).await.outcome, "done", "the same message comes twice");
    assert_eq!(ends(&app, import, 2).await, "parked", "another message with its number");

    sees(&app, import, &[1, 2, 3]).await;
    let parked = app.parked().await;
    assert!(parked[0].reason.contains("number 2 of its subject was used before"), "{}", parked[0].reason);
    assert_eq!(app.parts().store.redrive(&[parked[0].message], &somebody()).await.unwrap(), 1);
    sees(&app, import, &[1, 2, 3, 2]).await;
    assert_eq!(ends(&app, import, 4).await, "done", "the cursor has not moved back");
    app.finish().await;
}

#[tokio::test]
async fn where_the_latest_wins_an_event_that_is_newer_than_its_number_is_parked() {
    it_is_parked_where_the_latest_wins(latest(), &[("broker", "batch", "1")]).await;
}

#[tokio::test]
async fn where_the_latest_wins_an_event_that_is_newer_than_its_number_is_parked_in_neo4j() {
    let service = Neo4j::service("notifications").with(Refused::default());
    it_is_parked_where_the_latest_wins(service.consumes(Subscriptions::new().on_latest(note)), &[]).await;
}

fn latest() -> Service<Postgres> {
    Postgres::service("notifications").with(Refused::default()).consumes(Subscriptions::new().on_latest(write))
}

async fn it_is_parked_where_the_latest_wins<S: Book>(service: Service<S>, settings: &[(&str, &str, &str)]) {
    let app = TestApp::start(service, settings).await;
    let import = Uuid::new_v4();
    let written = async |number: u32, minutes_ago: i64| {
        let event = nth(import, number);
        let time = Utc::now() - TimeDelta::minutes(minutes_ago);
        let envelope = Envelope { sequence: Some(number.into()), time, ..app.world().envelope_for(&event) };
        app.receives_in(&event, &envelope).await.outcome
    };
    assert_eq!(written(1, 90).await, "done");
    assert_eq!(written(4, 60).await, "done");

    assert_eq!(written(3, 59).await, "done", "it was overtaken by the one after it: skipped");
    assert_eq!(written(2, 61).await, "done", "it is late: skipped");
    assert_eq!(written(2, 10).await, "parked", "the producer counts again from 1");

    sees(&app, import, &[1, 4]).await;
    let parked: Vec<Uuid> = app.parked().await.iter().map(|kept| kept.message).collect();
    assert_eq!(app.parts().store.redrive(&parked, &somebody()).await.unwrap(), 1);
    sees(&app, import, &[1, 4, 2]).await;
    assert_eq!(written(5, 5).await, "done");
    sees(&app, import, &[1, 4, 2, 5]).await;
    app.finish().await;
}

/// A store whose sequences are reset by a backup.
trait Restored: Book {
    fn restore(&self, subject: Uuid, last: i64) -> impl Future<Output = ()>;
}

impl Restored for Postgres {
    async fn restore(&self, subject: Uuid, last: i64) {
        let sql = "update skeleton.sequences set last = $2 where subject = $1";
        assert_eq!(self.execute(sql, &[&subject.to_string(), &last]).await.unwrap(), 1);
    }
}

impl Restored for Neo4j {
    async fn restore(&self, subject: Uuid, last: i64) {
        let back = "MATCH (sequence:Sequence {subject: $subject}) SET sequence.last = $last";
        self.execute(neo4j::query(back).param("subject", subject.to_string()).param("last", last)).await.unwrap();
    }
}

#[tokio::test]
async fn a_restored_producer_goes_on_counting_after_what_it_had_published() {
    it_goes_on_counting(|| Postgres::service("contacts")).await;
}

#[tokio::test]
async fn a_restored_producer_goes_on_counting_after_what_it_had_published_in_neo4j() {
    it_goes_on_counting(|| Neo4j::service("contacts")).await;
}

async fn it_goes_on_counting<S: Restored<Tx: Publish>>(service: fn() -> Service<S>) {
    let app = TestApp::start(service(), &[]).await;
    let (import, other) = (Uuid::new_v4(), Uuid::new_v4());
    for subject in [import, import, import, import, other] {
        publish(&app, subject).await;
    }
    app.sent_everything().await;
    app.parts().store.restore(import, 2).await;

    assert_eq!(service().recover_sequences(app.settings(), true).await.unwrap(), counted(1));
    assert_eq!(service().recover_sequences(app.settings(), false).await.unwrap(), counted(1));
    assert_eq!(service().recover_sequences(app.settings(), false).await.unwrap(), counted(0));

    publish(&app, import).await;
    publish(&app, other).await;
    let published = app.published_in::<ImportStarted>().await;
    let numbers = |subject: Uuid| {
        let of_it = published.iter().filter(move |(_, event)| event.import_id == subject);
        of_it.filter_map(|(envelope, _)| envelope.sequence).collect::<Vec<_>>()
    };
    assert_eq!((numbers(import), numbers(other)), (vec![1, 2, 3, 4, 5], vec![1, 2]));
    app.finish().await;
}

async fn publish<S: Book<Tx: Publish>>(app: &TestApp<S>, import: Uuid) {
    let mut tx = app.parts().store.begin(&app.parts().service, &[]).await.unwrap();
    tx.publish(ImportStarted { import_id: import, ..contacts_events::samples::import_started() }).unwrap();
    tx.commit().await.unwrap();
}

fn counted(behind: u64) -> Recovered {
    Recovered { behind, subjects: 2, ignored: 0 }
}

#[tokio::test]
async fn messages_that_the_producer_cannot_have_published_do_not_raise_its_numbers() {
    let app = TestApp::start(Postgres::service("contacts"), &[]).await;
    let import = Uuid::new_v4();
    publish(&app, import).await;
    app.sent_everything().await;
    let own = Envelope { sequence: Some(2), ..app.world().envelope_for(&nth(import, 2)) };
    let foreign = "accounts.registered.v1".to_owned();
    let put = async |envelope: &Envelope| {
        app.world().publish_data("events.contacts", ImportStarted::KEY, envelope, b"{}").await;
    };
    put(&Envelope { sequence: Some(i64::MAX), ..own.clone() }).await;
    put(&Envelope { sequence: Some(200_000), ..own.clone() }).await;
    put(&Envelope { name: foreign, sequence: Some(9), ..own.clone() }).await;

    let recovered = Postgres::service("contacts").recover_sequences(app.settings(), false).await.unwrap();

    assert_eq!(recovered, Recovered { behind: 0, subjects: 1, ignored: 3 });
    publish(&app, import).await;
    let published = app.published_in::<ImportStarted>().await;
    let numbers: Vec<_> = published.iter().filter_map(|(envelope, _)| envelope.sequence).collect();
    assert!(numbers.contains(&2), "{numbers:?}");
    app.stop().await;
}
