//! Tests of unroutable messages at the relay, on a real broker and a real Postgres.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use contacts_events::{ContactAddedV2, ContactRemoved, ImportFile, ImportProgressed, ImportStarted};
use events::Message;
use skeleton::{
    Publish,
    messaging::{
        Deliveries,
        rabbit::{RabbitDeliveries, RabbitPublisher},
    },
    store::{Outbox, Outcome, Outgoing, Publisher, Store, Transaction},
    testing::{TestApp, World, eventually},
};
use uuid::Uuid;

use crate::{
    conformance::bench::{postgres, removed},
    probe,
    relaying::{Relaying, are_done_once_the_topology_is_applied, subscribes},
};

/// More than the relay's window.
const MANY: i64 = 300;

#[tokio::test]
async fn more_jobs_than_a_window_that_no_queue_takes_hold_nothing_up_and_go_out_in_their_order() {
    let app = TestApp::start(probe::service(), &[]).await;
    let url = app.world().amqp_url("contacts");
    let (_, vhost) = url.rsplit_once('/').unwrap();
    app.world().admin().delete(&format!("queues/{vhost}/contacts.jobs")).await.unwrap();
    let begin = async || app.parts().store.begin(&app.parts().service, &[]).await.unwrap();
    let mut tx = begin().await;
    let mut jobs = Vec::new();
    for _ in 0..MANY {
        jobs.push(tx.enqueue(ImportFile { import_id: Uuid::new_v4(), position: 9 }).unwrap());
    }
    tx.commit().await.unwrap();
    let (mut tx, contact) = (begin().await, Uuid::new_v4());
    tx.publish(removed(contact)).unwrap();
    tx.commit().await.unwrap();

    eventually("the event behind them is sent", async || match app.counts().await.outbox {
        MANY => Ok(()),
        seen => Err(format!("{seen} messages in the outbox")),
    })
    .await;

    are_done_once_the_topology_is_applied(&app, &jobs).await;
    app.published_once::<ContactRemoved>(|event| event.contact_id == contact).await;
    app.finish().await;
}

/// A producer without a history, so that an event may have no queue, and a consumer of some events.
async fn listens_to(world: &World, keys: &[&str]) {
    subscribes(world, "contacts", &[]).await;
    subscribes(world, "network", keys).await;
    world.admin().delete(&format!("queues/{}/history.contacts", world.vhost())).await.unwrap();
}

#[tokio::test]
async fn an_event_does_not_overtake_one_of_its_subject_that_no_queue_takes_and_others_do() {
    let world = World::new().await;
    listens_to(&world, &[ImportProgressed::KEY]).await;
    let publisher = RabbitPublisher::new(world.link("contacts", "publishing"), Duration::from_secs(10));
    let relaying = Relaying::start(world, postgres().await, publisher);
    let world = &relaying.world;
    let begin = async || relaying.bench.begin(&[]).await;
    let (import_id, other) = (Uuid::new_v4(), Uuid::new_v4());
    let started = ImportStarted { import_id, ..contacts_events::samples::import_started() };
    let progressed = |import_id| ImportProgressed { import_id, ..contacts_events::samples::import_progressed() };

    let mut tx = begin().await;
    tx.publish(started).unwrap();
    tx.commit().await.unwrap();
    // The broker has reported the event as unroutable; later events of that route are postponed too.
    eventually("the first event is postponed", async || match relaying.postponed().await {
        1 => Ok(()),
        seen => Err(format!("{seen} messages are postponed")),
    })
    .await;
    let mut tx = begin().await;
    tx.publish(progressed(import_id)).unwrap();
    tx.publish(progressed(other)).unwrap();
    tx.commit().await.unwrap();
    let mut deliveries = RabbitDeliveries::new(world.link("network", "consuming"), "network.events".to_owned(), 10);
    let mut seen = next(&mut deliveries, 1).await;
    eventually("the event of the same subject waits", async || match relaying.postponed().await {
        2 => Ok(()),
        seen => Err(format!("{seen} messages are postponed")),
    })
    .await;
    listens_to(world, &[ImportProgressed::KEY, ImportStarted::KEY]).await;
    seen.extend(next(&mut deliveries, 2).await);

    let one = |subject: Uuid, key: &str| (subject.to_string(), format!("contacts.{key}"));
    let expected =
        [one(other, ImportProgressed::KEY), one(import_id, ImportStarted::KEY), one(import_id, ImportProgressed::KEY)];
    assert_eq!(seen, expected);
    relaying.end().await;
}

#[tokio::test]
async fn an_event_whose_older_version_no_queue_takes_is_sent_once() {
    let world = World::new().await;
    listens_to(&world, &[ContactAddedV2::KEY]).await;
    let bench = postgres().await;
    let publisher = RabbitPublisher::new(world.link("contacts", "publishing"), Duration::from_secs(10));
    let mut tx = bench.begin(&[]).await;
    let added = ContactAddedV2 { contact_id: Uuid::new_v4(), ..contacts_events::samples::contact_added_v2() };
    tx.publish(added.clone()).unwrap();
    tx.commit().await.unwrap();

    let relaying = Relaying::start(world, bench, publisher);

    relaying.has_sent_everything().await;
    let link = relaying.world.link("network", "consuming");
    let mut deliveries = RabbitDeliveries::new(link, "network.events".to_owned(), 10);
    let seen = next(&mut deliveries, 1).await;
    assert_eq!(seen, [(added.contact_id.to_string(), ContactAddedV2::NAME.to_owned())]);
    let more = tokio::time::timeout(Duration::from_secs(1), deliveries.next(1)).await;
    assert!(more.is_err(), "it was published again: {more:?}");
    relaying.end().await;
}

/// Records the subjects and keys of published messages, of which some have no queue.
#[derive(Clone, Default)]
struct Recording {
    published: Arc<Mutex<Vec<(String, String)>>>,
    unroutable: Arc<Mutex<BTreeSet<&'static str>>>,
}

impl Recording {
    fn published(&self) -> Vec<(String, String)> {
        self.published.lock().unwrap().clone()
    }
}

impl Publisher for Recording {
    async fn publish(&self, window: Vec<Outgoing>) -> Vec<Outcome> {
        let unroutable = self.unroutable.lock().unwrap();
        let of = |message: &Outgoing| (message.envelope.subject.clone().unwrap(), message.routing_key.clone());
        self.published.lock().unwrap().extend(window.iter().map(of));
        let has_no_queue = |message: &Outgoing| unroutable.contains(message.routing_key.as_str());
        window.iter().map(|it| if has_no_queue(it) { Outcome::Unroutable } else { Outcome::Confirmed }).collect()
    }
}

#[tokio::test]
async fn while_messages_without_a_queue_are_retried_none_of_their_subjects_overtakes_them() {
    let publisher = Recording::default();
    publisher.unroutable.lock().unwrap().insert(ImportStarted::KEY);
    let relaying = Relaying::start(World::new().await, postgres().await, publisher.clone());
    let start = async || {
        let import_id = Uuid::new_v4();
        let mut tx = relaying.bench.begin(&[]).await;
        tx.publish(ImportStarted { import_id, ..contacts_events::samples::import_started() }).unwrap();
        tx.commit().await.unwrap();
        import_id
    };
    let first = start().await;
    eventually("the first event is postponed", async || match relaying.postponed().await {
        1 => Ok(()),
        seen => Err(format!("{seen} messages are postponed")),
    })
    .await;

    // Each commit wakes the relay, so that a retry is in one window with an event that was just committed. Half of
    // them are of the first subject: more than a window of these waits in the end.
    let retry = (first.to_string(), ImportStarted::KEY.to_owned());
    while publisher.published().iter().filter(|published| **published == retry).count() < 6 {
        for import_id in [start().await, first] {
            let mut tx = relaying.bench.begin(&[]).await;
            tx.publish(ImportProgressed { import_id, ..contacts_events::samples::import_progressed() }).unwrap();
            tx.commit().await.unwrap();
        }
    }
    let before = publisher.published();
    publisher.unroutable.lock().unwrap().clear();

    relaying.has_sent_everything().await;
    assert!(before.iter().all(|(_, key)| key == ImportStarted::KEY), "some were overtaken: {before:?}");
    relaying.end().await;
}

/// The subjects and names of the next `many` messages.
async fn next(deliveries: &mut impl Deliveries, many: usize) -> Vec<(String, String)> {
    let mut seen = Vec::new();
    while seen.len() < many {
        let messages = tokio::time::timeout(Duration::from_secs(30), deliveries.next(many)).await.unwrap();
        for message in &messages {
            let envelope = message.envelope.as_ref().unwrap();
            seen.push((envelope.subject.clone().unwrap(), envelope.name.clone()));
            deliveries.acknowledge_through(message).await;
        }
    }
    seen
}

#[tokio::test]
async fn what_commits_late_under_a_lower_position_is_found() {
    let bench = postgres().await;
    let store = bench.store.clone();
    let mut late = bench.begin(&[]).await;
    let drawn = "insert into skeleton.outbox (exchange, routing_key, envelope, body)
        values ('jobs.contacts', 'late', '{}', '{}') returning position";
    let late_position: i64 = late.query_one(drawn, &[]).await.unwrap().get(0);
    // Long enough for the bound to move more than once, if it moved.
    let until = tokio::time::Instant::now() + Duration::from_secs(4);
    let mut sent = BTreeSet::new();
    while tokio::time::Instant::now() < until {
        bench.publish(&[Uuid::new_v4()]).await;
        let positions: Vec<i64> = store.next(10).await.unwrap().unwrap().iter().map(|row| row.position).collect();
        store.remove(&positions).await.unwrap();
        sent.extend(positions);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    late.commit().await.unwrap();

    // An unreadable envelope: once found, it is set aside.
    let rows = store.next(10).await.unwrap().unwrap();

    assert!(rows.is_empty() && sent.len() > 10 && !sent.contains(&late_position), "{rows:?}");
    assert_eq!((store.unreadable().await.unwrap(), store.counts().await.unwrap().outbox), (1, 0));
    drop(store);
    bench.done().await;
}
