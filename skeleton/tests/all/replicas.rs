//! Tests of replicas that start and stop, on a real broker and a real Postgres.

use std::net::SocketAddr;

use accounts_events::Registered;
use contacts_events::{ChangeContact, GetContact};
use lapin::{Connection, ConnectionProperties, options::QueueDeclareOptions, types::FieldTable};
use skeleton::{
    Postgres, RequestOptions, Service,
    http::{Routes, admin::Health, group},
    store::{Store, Transaction, postgres::Tx},
    testing::{Fault, Proxy, Servers, TestApp, World, broker_password, eventually},
};
use uuid::Uuid;
use warp::{Filter, Reply};

use crate::{
    http_client::{Answer, Caller},
    probe,
};

/// A service with the probe's store and no consumers: it observes the replicas.
fn onlooker() -> Service<Postgres> {
    Service::named("contacts").store(Postgres::migrated_by(probe::MIGRATIONS))
}

async fn look_on(settings: &[(&str, &str, &str)]) -> TestApp<Postgres> {
    let app = TestApp::start(onlooker(), settings).await;
    let topology = probe::service().topology_spec(1).topology();
    app.world().admin().apply(&topology, &broker_password("contacts")).await.unwrap();
    app
}

/// Locks a contact's row, so that handlers that count it must wait.
async fn hold(app: &TestApp<Postgres>, contact: Uuid) -> Tx {
    let mut tx = app.parts().store.begin(&app.parts().service, &[]).await.unwrap();
    tx.execute("insert into effects (contact_id, times) values ($1, 0)", &[&contact]).await.unwrap();
    tx
}

fn account(name: &str) -> Registered {
    Registered { account_id: Uuid::new_v4(), name: name.to_owned(), ..accounts_events::samples::registered() }
}

async fn effects(app: &TestApp<Postgres>, added: &Registered) -> i32 {
    let sql = "select times from effects where contact_id = $1";
    let row = app.parts().store.query_opt(sql, &[&added.account_id]).await.unwrap();
    row.map_or(0, |row| row.get(0))
}

async fn somebody_waits(app: &TestApp<Postgres>) {
    let sql = "select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()";
    eventually("a session waits for the row", async || match app.parts().store.query(sql, &[]).await.unwrap().len() {
        1 => Ok(()),
        seen => Err(format!("{seen} wait")),
    })
    .await;
}

async fn is_draining(health: &Health) {
    eventually("the replica drains", async || match health.ready().status {
        "draining" => Ok(()),
        seen => Err(seen.to_owned()),
    })
    .await;
}

/// How many messages of a queue are not delivered.
async fn messages_in(app: &TestApp<Postgres>, queue: &str) -> u32 {
    let url = app.world().amqp_url("contacts");
    let (_, vhost) = url.rsplit_once('/').unwrap();
    let admin = Servers::from_env().amqp;
    let (place, _) = admin.rsplit_once('/').unwrap();
    let connection = Connection::connect(&format!("{place}/{vhost}"), ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let passive = QueueDeclareOptions { passive: true, ..Default::default() };
    let count = channel.queue_declare(queue.into(), passive, FieldTable::default()).await.unwrap().message_count();
    connection.close(200, "bye".into()).await.unwrap();
    count
}

#[tokio::test]
async fn a_message_in_hand_when_the_stop_comes_has_its_effect_once_and_is_acknowledged() {
    let app = look_on(&[]).await;
    let replica = app.replica(probe::service()).await;
    let health = replica.health().clone();
    let added = account("Zoë");
    let held = hold(&app, added.account_id).await;
    app.world().publish(&added, &app.world().envelope_for(&added)).await;
    somebody_waits(&app).await;

    let release = async {
        is_draining(&health).await;
        held.rollback().await;
    };
    let (is_clean, ()) = tokio::join!(replica.stop(), release);

    assert!(is_clean, "the message was cut off");
    assert_eq!(effects(&app, &added).await, 1);
    assert_eq!(messages_in(&app, "contacts.events").await, 0);
    app.finish().await;
}

#[tokio::test]
async fn of_a_batch_that_failed_what_is_not_begun_when_the_stop_comes_is_left_to_another_replica() {
    let app = look_on(&[]).await;
    let first = app.replica(probe::service()).await;
    let health = first.health().clone();
    let [before, refused, in_hand, left] = ["Zoë", "refuse", "Zoë", "Zoë"].map(account);
    let holding_up = hold(&app, before.account_id).await;
    let held = hold(&app, in_hand.account_id).await;
    for added in [&before, &refused, &in_hand, &left] {
        app.world().publish(added, &app.world().envelope_for(added)).await;
        // The first is in progress before others could share its transaction.
        somebody_waits(&app).await;
    }
    eventually("all are with the first replica", async || match messages_in(&app, "contacts.events").await {
        0 => Ok(()),
        seen => Err(format!("{seen} left")),
    })
    .await;
    let mut endings = first.app.service.endings();
    holding_up.rollback().await;
    // The other three share a transaction, which the refused one rolls back: each now has its own.
    while endings.recv().await.unwrap().outcome != "parked" {}
    somebody_waits(&app).await;

    let release = async {
        is_draining(&health).await;
        held.rollback().await;
    };
    let (is_clean, ()) = tokio::join!(first.stop(), release);

    assert!(is_clean);
    assert_eq!((effects(&app, &in_hand).await, effects(&app, &left).await), (1, 0));
    let second = app.replica(probe::service()).await;
    eventually("the other replica has handled it", async || match effects(&app, &left).await {
        1 => Ok(()),
        seen => Err(seen.to_string()),
    })
    .await;
    assert!(second.stop().await);
    assert_eq!(app.parked().await.len(), 1);
    app.finish().await;
}

#[tokio::test]
async fn a_request_in_hand_when_the_stop_comes_is_answered_and_those_behind_it_go_to_another_replica_at_once() {
    let app = look_on(&[("requests", "concurrency", "1")]).await;
    let first = app.replica(probe::service()).await;
    let health = first.health().clone();
    let gateway = app.world().requests_of("gateway", &["contacts"]).await;
    let contact = Uuid::new_v4();
    let held = hold(&app, contact).await;
    let order = ChangeContact { contact_id: contact, ..contacts_events::samples::change_contact() };
    let in_hand = tokio::spawn({
        let gateway = gateway.clone();
        async move { gateway.call(&order, RequestOptions::default()).await }
    });
    somebody_waits(&app).await;
    let question = GetContact { contact_id: Uuid::new_v4(), account_id: Uuid::new_v4() };
    let behind = tokio::spawn(async move {
        tokio::join!(
            gateway.call(&question, RequestOptions::default()),
            gateway.call(&question, RequestOptions::default())
        )
    });
    // The first replica has two, twice its concurrency; one is left.
    eventually("two requests are with the first replica", async || {
        match messages_in(&app, "contacts.requests").await {
            1 => Ok(()),
            seen => Err(format!("{seen} left")),
        }
    })
    .await;

    let second = app.replica(probe::service()).await;
    let release = async {
        is_draining(&health).await;
        let (one, other) = behind.await.unwrap();
        held.rollback().await;
        (one.unwrap_err().status, other.unwrap_err().status)
    };
    let (is_clean, answered) = tokio::join!(first.stop(), release);

    // There is no such contact: only a replica can answer that.
    assert_eq!((is_clean, answered), (true, (404, 404)));
    assert_eq!(in_hand.await.unwrap().unwrap().name, "1");
    assert!(second.stop().await);
    app.finish().await;
}

fn hello() -> Service<Postgres> {
    let routes: Routes = group(warp::path!("hello").map(|| "hello".into_response()));
    onlooker().routes(move |_| routes, &[])
}

async fn get(caller: &mut Caller, path: &str) -> Answer {
    caller.say(&format!("GET {path} HTTP/1.1\r\nhost: here\r\n\r\n")).await;
    caller.answer().await.expect("an answer")
}

async fn ready_status(replica: SocketAddr) -> u16 {
    get(&mut Caller::of(replica).await, "/health/ready").await.status
}

#[tokio::test]
async fn during_the_notice_readiness_is_off_and_requests_are_answered_and_told_to_go_elsewhere() {
    let app = TestApp::start(hello(), &[("life", "notice_ms", "2000")]).await;
    let replica = app.replica(hello()).await;
    let (public, admin) = (replica.http_address.unwrap(), replica.admin_address);
    let mut kept = Caller::of(public).await;
    assert_eq!(get(&mut kept, "/hello").await.header("connection"), None);

    let meanwhile = async {
        eventually("readiness is off", async || match ready_status(admin).await {
            503 => Ok(()),
            seen => Err(seen.to_string()),
        })
        .await;
        let new = get(&mut Caller::of(public).await, "/hello").await;
        (get(&mut kept, "/hello").await, new)
    };
    let (is_clean, (kept, new)) = tokio::join!(replica.stop(), meanwhile);

    for answer in [kept, new] {
        assert_eq!((answer.body.as_str(), answer.header("connection")), ("hello", Some("close")));
    }
    assert!(is_clean);
    app.finish().await;
}

#[tokio::test]
async fn a_replica_is_ready_only_once_it_has_been_connected_to_the_broker() {
    let world = World::new().await;
    let url = world.amqp_url("contacts");
    let (place, vhost) = url.trim_start_matches("amqp://contacts@").split_once('/').unwrap();
    let proxy = Proxy::before(place).await;
    let url = format!("amqp://contacts@{}/{vhost}", proxy.address());
    proxy.fault(Fault::Timeout);
    let app = world.start(probe::service(), &[("broker", "url", &url)]).await;
    let health = app.running().health().clone();
    proxy.holds(1).await;
    let before = health.ready().status;

    proxy.heal();

    eventually("the replica is ready", async || match health.ready().status {
        "ready" => Ok(()),
        seen => Err(seen.to_owned()),
    })
    .await;
    assert_eq!(before, "starting");
    app.finish().await;
}
