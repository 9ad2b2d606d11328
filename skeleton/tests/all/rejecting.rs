//! A full queue that rejects messages costs the other queues few copies, and recovers completely.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use contacts_events::{ImportProgressed, ImportStarted};
use events::Message;
use lapin::{
    BasicProperties, Confirmation,
    options::{BasicPublishOptions, ConfirmSelectOptions},
};
use serde_json::json;
use skeleton::{
    Publish,
    messaging::{
        Deliveries,
        rabbit::{RabbitDeliveries, RabbitPublisher},
    },
    store::Transaction,
    testing::{World, eventually},
};
use uuid::Uuid;

use crate::{
    conformance::bench::postgres,
    relaying::{Relaying, subscribes},
    unresponsive::administrator,
};

/// The number of subjects.
const MANY: usize = 100;

/// How many copies of each message have arrived, and the names of those of each subject in the order of their arrival.
#[derive(Default)]
struct Arrived {
    copies: BTreeMap<(String, String), usize>,
    order: BTreeMap<String, Vec<String>>,
}

/// Everything that arrives in a queue. Ends with the test.
fn arrivals(world: &World, service: &str) -> Arc<Mutex<Arrived>> {
    let arrived = Arc::new(Mutex::new(Arrived::default()));
    let mut deliveries = RabbitDeliveries::new(world.link(service, "consuming"), format!("{service}.events"), 100);
    let shared = arrived.clone();
    tokio::spawn(async move {
        loop {
            let messages = deliveries.next(100).await;
            let Some(last) = messages.last() else { return };
            {
                let mut arrived = shared.lock().unwrap();
                for envelope in messages.iter().filter_map(|message| message.envelope.as_ref().ok()) {
                    let subject = envelope.subject.clone().unwrap();
                    let copies = arrived.copies.entry((subject.clone(), envelope.name.clone())).or_default();
                    *copies += 1;
                    if *copies == 1 {
                        arrived.order.entry(subject).or_default().push(envelope.name.clone());
                    }
                }
            }
            deliveries.acknowledge_through(last).await;
        }
    });
    arrived
}

/// Limits the events of network to ten, and publishes messages without a consumer until the queue rejects them.
async fn limit(world: &World) {
    let policy = json!({
        "pattern": "^network\\.events$", "apply-to": "queues",
        "definition": { "max-length": 10, "overflow": "reject-publish" },
    });
    world.admin().put(&policy_in(world), &policy).await.unwrap();
    // The broker answers before the queue has the policy.
    let connection = administrator(world).await;
    let channel = connection.create_channel().await.unwrap();
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    eventually("the queue rejects", async || {
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        let sent = channel.basic_publish("".into(), "network.events".into(), options, b"{}", properties).await.unwrap();
        match sent.await.unwrap() {
            Confirmation::Nack(_) => Ok(()),
            accepted => Err(format!("{accepted:?}")),
        }
    })
    .await;
}

fn policy_in(world: &World) -> String {
    format!("policies/{}/full", world.vhost())
}

/// A relay in a world in which network and search consume the same events.
async fn relaying() -> Relaying {
    let world = World::new().await;
    subscribes(&world, "contacts", &[]).await;
    for service in ["network", "search"] {
        subscribes(&world, service, &[ImportStarted::KEY, ImportProgressed::KEY]).await;
    }
    limit(&world).await;
    let publisher = RabbitPublisher::new(world.link("contacts", "publishing"), Duration::from_secs(5));
    Relaying::start(world, postgres().await, publisher)
}

/// Publishes two events about each of these subjects, in one transaction.
async fn publish(relaying: &Relaying, subjects: &[Uuid]) {
    let mut tx = relaying.bench.begin(&[]).await;
    for import_id in subjects.iter().copied() {
        tx.publish(ImportStarted { import_id, ..contacts_events::samples::import_started() }).unwrap();
    }
    for import_id in subjects.iter().copied() {
        tx.publish(ImportProgressed { import_id, ..contacts_events::samples::import_progressed() }).unwrap();
    }
    tx.commit().await.unwrap();
}

fn subjects(many: usize) -> Vec<Uuid> {
    (0..many).map(|_| Uuid::new_v4()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_full_queue_rejects_reaches_other_queues_few_times_and_goes_out_once_there_is_room() {
    let relaying = relaying().await;
    let other = arrivals(&relaying.world, "search");
    let subjects = subjects(MANY);
    publish(&relaying, &subjects).await;
    eventually("the first event of each subject arrives in the other queue", async || {
        match other.lock().unwrap().order.len() {
            MANY => Ok(()),
            seen => Err(format!("{seen} of {MANY}")),
        }
    })
    .await;
    tokio::time::sleep(Duration::from_secs(15)).await;
    let (all, most) = {
        let arrived = other.lock().unwrap();
        (arrived.copies.values().sum::<usize>(), arrived.copies.values().copied().max())
    };

    relaying.world.admin().delete(&policy_in(&relaying.world)).await.unwrap();
    let full = arrivals(&relaying.world, "network");
    relaying.has_sent_everything().await;

    // Each with the others and once apart, and few of them again after each pause.
    assert!(all <= 2 * 2 * MANY + 100, "{all} copies, up to {most:?} of one message");
    let in_order = [ImportStarted::KEY, ImportProgressed::KEY].map(|key| format!("contacts.{key}"));
    for arrived in [&full, &other] {
        eventually("all are there in the order of their subject", async || {
            let arrived = arrived.lock().unwrap();
            let is_well = |subject: &&Uuid| arrived.order.get(&subject.to_string()).is_some_and(|it| *it == in_order);
            match subjects.iter().filter(is_well).count() {
                MANY => Ok(()),
                seen => Err(format!("{seen} of {MANY}")),
            }
        })
        .await;
    }
    relaying.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn once_a_queue_has_no_limit_any_more_new_messages_are_published_once() {
    let relaying = relaying().await;
    let other = arrivals(&relaying.world, "search");
    publish(&relaying, &subjects(30)).await;
    eventually("the first messages are postponed", async || match relaying.postponed().await {
        0 => Err("none is".to_owned()),
        _ => Ok(()),
    })
    .await;
    relaying.world.admin().delete(&policy_in(&relaying.world)).await.unwrap();
    // Without a consumer, the queue never falls below the former limit.
    relaying.has_sent_everything().await;

    let new = subjects(10);
    for subject in &new {
        publish(&relaying, std::slice::from_ref(subject)).await;
        relaying.has_sent_everything().await;
    }

    let is_new = |subject: &str| new.iter().any(|it| it.to_string() == subject);
    eventually("all new messages arrive", async || {
        match other.lock().unwrap().copies.keys().filter(|(subject, _)| is_new(subject)).count() {
            20 => Ok(()),
            seen => Err(format!("{seen} of 20")),
        }
    })
    .await;
    let copies: usize =
        other.lock().unwrap().copies.iter().filter(|((subject, _), _)| is_new(subject)).map(|(_, copies)| copies).sum();
    assert_eq!(copies, 20, "messages were rejected that a queue without a limit takes");
    relaying.end().await;
}
