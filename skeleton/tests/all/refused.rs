//! Tests of outbox rows that the broker refuses, on a real broker: each closes its channel or its connection, and must
//! not hold up the others.

use std::{sync::Arc, time::Duration};

use contacts_events::{ContactRemoved, ImportFile};
use events::{Envelope, Message};
use skeleton::{
    Neo4j, Postgres, Publish,
    messaging::{
        Deliveries,
        rabbit::{RabbitDeliveries, RabbitPublisher},
        relay::Relay,
    },
    stop::channel,
    store::{Outbox, Store, Transaction, neo4j::query},
    testing::{TestApp, World, eventually},
};
use uuid::Uuid;

use crate::{
    conformance::bench::{Bench, neo4j, postgres, removed},
    probe,
    relaying::{are_done_once_the_topology_is_applied, subscribes},
};

#[tokio::test]
async fn jobs_of_a_missing_exchange_wait_in_their_order_and_events_are_sent() {
    let app = TestApp::start(probe::service(), &[]).await;
    app.world().admin().delete(&format!("exchanges/{}/jobs.contacts", app.world().vhost())).await.unwrap();
    let (mut jobs, mut contacts) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let mut tx = app.parts().store.begin(&app.parts().service, &[]).await.unwrap();
        jobs.push(tx.enqueue(ImportFile { import_id: Uuid::new_v4(), position: 9 }).unwrap());
        contacts.push(Uuid::new_v4());
        tx.publish(removed(contacts[contacts.len() - 1])).unwrap();
        tx.commit().await.unwrap();
    }

    eventually("the events behind the jobs are sent", async || match app.counts().await.outbox {
        3 => Ok(()),
        seen => Err(format!("{seen} messages in the outbox")),
    })
    .await;

    are_done_once_the_topology_is_applied(&app, &jobs).await;
    for contact in contacts {
        app.published_once::<ContactRemoved>(|event| event.contact_id == contact).await;
    }
    app.finish().await;
}

/// A store whose outbox can be changed by hand.
trait Rewrite: Outbox<Tx: Publish> {
    async fn rewrite(&self, position: i64, routing_key: &str, envelope: &Envelope);
}

impl Rewrite for Postgres {
    async fn rewrite(&self, position: i64, routing_key: &str, envelope: &Envelope) {
        let envelope = serde_json::to_string(envelope).unwrap();
        let sql = "update skeleton.outbox set routing_key = $2, envelope = $3 where position = $1";
        assert_eq!(self.execute(sql, &[&position, &routing_key, &envelope]).await.unwrap(), 1);
    }
}

impl Rewrite for Neo4j {
    async fn rewrite(&self, position: i64, routing_key: &str, envelope: &Envelope) {
        let rewritten =
            query("MATCH (row:Outbox {position: $position}) SET row.routing_key = $key, row.envelope = $envelope")
                .param("position", position)
                .param("key", routing_key)
                .param("envelope", serde_json::to_string(envelope).unwrap());
        self.execute(rewritten).await.unwrap();
    }
}

/// A world in which the service network consumes an event of the service contacts.
async fn world() -> World {
    let world = World::new().await;
    subscribes(&world, "contacts", &[]).await;
    subscribes(&world, "network", &[ContactRemoved::KEY]).await;
    world
}

/// Of five rows, one has a header larger than a frame, and one a routing key longer than AMQP allows.
async fn the_others_are_sent<S: Rewrite>(bench: Bench<S>) {
    let world = world().await;
    let subjects: Vec<Uuid> = (0..5).map(|_| Uuid::new_v4()).collect();
    bench.publish(&subjects).await;
    let rows = bench.store.next(10).await.unwrap().unwrap();
    let long = Envelope { subject: Some("s".repeat(200_000)), ..rows[0].envelope.clone() };
    bench.store.rewrite(rows[0].position, &rows[0].routing_key, &long).await;
    bench.store.rewrite(rows[2].position, &"k".repeat(300), &rows[2].envelope).await;

    let publisher = RabbitPublisher::new(world.link("contacts", "publishing"), Duration::from_secs(5));
    let (stop, stopped) = channel();
    let relay = tokio::spawn(Relay::new(bench.store.clone(), Arc::new(publisher), 256).run(stopped));
    let mut deliveries = RabbitDeliveries::new(world.link("network", "consuming"), "network.events".to_owned(), 10);
    let mut seen = Vec::new();
    while seen.len() < 3 {
        let messages = tokio::time::timeout(Duration::from_secs(30), deliveries.next(10)).await.unwrap();
        for message in &messages {
            seen.push(message.envelope.as_ref().unwrap().subject.clone().unwrap());
            deliveries.acknowledge_through(message).await;
        }
    }

    assert_eq!(seen, [1, 3, 4].map(|sent| subjects[sent].to_string()));
    eventually("the others are set aside", async || {
        match (bench.store.counts().await.unwrap().outbox, bench.store.unreadable().await.unwrap()) {
            (0, 2) => Ok(()),
            seen => Err(format!("{seen:?} in the outbox and set aside")),
        }
    })
    .await;
    stop.stop();
    // It fails only if the relay has panicked.
    let _ = relay.await;
    bench.done().await;
    world.remove().await;
}

#[tokio::test]
async fn in_postgres_a_row_that_fits_in_no_frame_is_set_aside() {
    the_others_are_sent(postgres().await).await;
}

#[tokio::test]
async fn in_neo4j_a_row_that_fits_in_no_frame_is_set_aside() {
    the_others_are_sent(neo4j().await).await;
}
