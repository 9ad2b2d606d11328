//! Tests of the relay, on a real broker and a real Postgres.

use std::sync::Arc;

use contacts_events::{ContactRemoved, ImportFile};
use events::Message;
use skeleton::{
    Environment, Postgres, Publish, Settings,
    store::{Outbox, ServiceContext, Store, StoreBuilder, Transaction, postgres::Tx},
    testing::{Fault, Proxy, TestApp, TestStore, World, broker_password, eventually},
};
use uuid::Uuid;

use crate::probe;

fn removed(contact: Uuid) -> ContactRemoved {
    ContactRemoved { contact_id: contact, ..contacts_events::samples::contact_removed() }
}

async fn begin(app: &TestApp<Postgres>) -> Tx {
    app.parts().store.begin(&app.parts().service, &[]).await.unwrap()
}

async fn publish(app: &TestApp<Postgres>, contact: Uuid) {
    let mut tx = begin(app).await;
    tx.publish(removed(contact)).unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn what_a_broker_that_died_has_not_confirmed_is_sent_again() {
    let world = World::new().await;
    let url = world.amqp_url("contacts");
    let (place, vhost) = url.trim_start_matches("amqp://contacts@").split_once('/').unwrap();
    let proxy = Proxy::before(place).await;
    let url = format!("amqp://contacts@{}/{vhost}", proxy.address());
    let app = world.start(probe::service(), &[("broker", "url", &url), ("broker", "confirm_timeout_ms", "1000")]).await;
    let (first, second) = (Uuid::new_v4(), Uuid::new_v4());
    publish(&app, first).await;
    app.published_once::<ContactRemoved>(|event| event.contact_id == first).await;

    proxy.fault(Fault::Timeout);
    publish(&app, second).await;
    // More than a heartbeat: the message is in transit.
    proxy.holds(200).await;
    proxy.cut();
    proxy.heal();

    app.published_once::<ContactRemoved>(|event| event.contact_id == second).await;
    app.finish().await;
}

#[tokio::test]
async fn a_job_whose_queue_is_missing_stays_in_the_outbox_and_goes_out_once_there_is_one() {
    let app = TestApp::start(probe::service(), &[]).await;
    let url = app.world().amqp_url("contacts");
    let (_, vhost) = url.rsplit_once('/').unwrap();
    app.world().admin().delete(&format!("queues/{vhost}/contacts.jobs")).await.unwrap();
    let job = ImportFile { import_id: Uuid::new_v4(), position: 9 };
    let mut tx = begin(&app).await;
    tx.enqueue(job.clone()).unwrap();
    tx.publish(removed(Uuid::new_v4())).unwrap();

    tx.commit().await.unwrap();

    // The event next to it is gone: the relay has processed both.
    eventually("one message left in the outbox", async || match app.counts().await.outbox {
        1 => Ok(()),
        seen => Err(seen.to_string()),
    })
    .await;
    let topology = probe::service().topology_spec(1).topology();
    app.world().admin().apply(&topology, &broker_password("contacts")).await.unwrap();
    eventually("the job's one step", async || {
        let sql = "select position from steps where import_id = $1";
        match app.parts().store.query_opt(sql, &[&job.import_id]).await.unwrap().map(|row| row.get::<_, i64>(0)) {
            Some(1) => Ok(()),
            seen => Err(format!("{seen:?}")),
        }
    })
    .await;
    app.finish().await;
}

#[tokio::test]
async fn a_stop_with_a_large_backlog_is_clean_and_leaves_the_rest() {
    let app = TestApp::start(probe::service(), &[("life", "drain_ms", "3000")]).await;
    let (store, event) = (app.parts().store.clone(), removed(Uuid::new_v4()));
    let envelope = app.world().envelope_for(&event);
    let (written, id, body) =
        (serde_json::to_string(&envelope).unwrap(), envelope.id.to_string(), serde_json::to_string(&event).unwrap());
    let many = "insert into skeleton.outbox (exchange, routing_key, envelope, body)
        select 'events.contacts', $1, replace($2, $3, gen_random_uuid()::text), $4 from generate_series(1, 100000)";
    store.execute(many, &[&ContactRemoved::KEY, &written, &id, &body]).await.unwrap();
    eventually("the relay is in the middle of them", async || match app.counts().await.outbox {
        ..100_000 => Ok(()),
        seen => Err(format!("{seen} messages")),
    })
    .await;

    // It asserts that the stop was clean.
    app.stop().await;
}

/// The stores of two replicas on one database with one message to send.
struct TwoReplicas {
    provisioned: skeleton::testing::Provisioned,
    first: Postgres,
    second: Postgres,
}

impl TwoReplicas {
    async fn new() -> Self {
        let provisioned = Postgres::provision(&format!("relay-{}", &Uuid::new_v4().simple().to_string()[..12])).await;
        let open = || {
            let mut settings = Settings::read_with("contacts", "", Default::default()).unwrap();
            for (key, value) in &provisioned.settings {
                settings.set("store", key, value.as_str());
            }
            Postgres::migrated_by(&[]).open(&settings).unwrap()
        };
        let (first, second) = (open(), open());
        first.migrate().await.unwrap();
        let service = Arc::new(ServiceContext::new("contacts", Environment::system()));
        let mut tx = first.begin(&service, &[]).await.unwrap();
        tx.publish(removed(Uuid::new_v4())).unwrap();
        tx.commit().await.unwrap();
        Self { provisioned, first, second }
    }

    /// Waits until the second replica may relay; returns what it is to send.
    async fn second_takes_over(&self) -> Vec<i64> {
        eventually("the second replica relays", async || match self.second.next(10).await.unwrap() {
            Some(rows) => Ok(rows.iter().map(|row| row.position).collect()),
            None => Err("the first one relays".to_owned()),
        })
        .await
    }

    async fn remove(self) {
        <Postgres as TestStore>::remove(self.provisioned).await;
    }
}

#[tokio::test]
async fn a_relay_that_has_lost_its_lock_cannot_remove_what_another_is_sending() {
    let replicas = TwoReplicas::new().await;
    assert_eq!(replicas.first.next(10).await.unwrap().unwrap().len(), 1);
    assert!(replicas.second.next(10).await.unwrap().is_none());

    let cut = "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and granted
        and database = (select oid from pg_database where datname = current_database())";
    assert_eq!(replicas.first.execute(cut, &[]).await.unwrap(), 1);
    let sending = replicas.second_takes_over().await;

    assert!(replicas.first.remove(&sending).await.is_err());
    assert!(replicas.first.next(10).await.unwrap().is_none());
    assert_eq!((sending.len(), replicas.second.counts().await.unwrap().outbox), (1, 1));
    replicas.second.remove(&sending).await.unwrap();
    assert_eq!(replicas.second.counts().await.unwrap().outbox, 0);
    replicas.remove().await;
}
