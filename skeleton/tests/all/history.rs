//! Tests of the history: events are kept, and a consumer can replay them without a gap or an overlap.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
};

use accounts_events::Registered;
use chrono::TimeDelta;
use events::{Envelope, Message};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties,
    options::{BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions},
    types::{AMQPValue, FieldTable},
};
use skeleton::{
    Environment, Postgres,
    messaging::{
        history::{Published, Range, Replayed, published},
        topology::TopologySpec,
    },
    service::TaskError,
    stop,
    testing::{TestApp, World, broker_password, eventually},
};
use tokio::{sync::watch, task::JoinHandle};
use uuid::Uuid;

use crate::probe;

/// A world in which accounts has published before any consumer exists.
async fn world_with_history() -> World {
    let world = World::new().await;
    let accounts = TopologySpec { service: "accounts".to_owned(), publishes: true, ..TopologySpec::default() };
    world.admin().apply(&accounts.topology(), &broker_password("accounts")).await.unwrap();
    world
}

fn account(name: &str) -> Registered {
    Registered { account_id: Uuid::new_v4(), name: name.to_owned(), ..accounts_events::samples::registered() }
}

/// How many accounts have had an effect, and the total number of effects.
async fn effects(app: &TestApp<Postgres>) -> (i64, i64) {
    let sql = "select count(*), coalesce(sum(times), 0)::bigint from effects";
    let rows = app.parts().store.query(sql, &[]).await.unwrap();
    (rows[0].get(0), rows[0].get(1))
}

/// The administrator's connection to the world's virtual host.
async fn connection_to(world: &World) -> Connection {
    Connection::connect(world.sender_url(), ConnectionProperties::default()).await.unwrap()
}

/// Publishes accounts one after the other until the stop, and counts them.
fn publishing(connection: Connection, published: Arc<AtomicI64>, enough: Arc<AtomicBool>) -> JoinHandle<()> {
    tokio::spawn(async move {
        let channel = connection.create_channel().await.unwrap();
        channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        while !enough.load(Ordering::Relaxed) {
            publish(&channel, &Environment::system(), &account("Zoë")).await;
            published.fetch_add(1, Ordering::Relaxed);
        }
        connection.close(200, "bye".into()).await.unwrap();
    })
}

async fn publish(channel: &Channel, environment: &Environment, event: &Registered) {
    let envelope = Envelope {
        id: environment.new_message_id(),
        name: Registered::NAME.to_owned(),
        source: "/accounts".to_owned(),
        time: environment.now(),
        subject: event.subject(),
        sequence: Some(1),
        trace: None,
        correlation_id: None,
        causation_id: None,
        actor: None,
        deadline: None,
    };
    let mut headers = FieldTable::default();
    for (name, value) in envelope.to_headers() {
        headers.insert(name.into(), AMQPValue::LongString(value.into()));
    }
    let properties =
        BasicProperties::default().with_headers(headers).with_user_id("accounts".into()).with_delivery_mode(2);
    let (options, body) =
        (BasicPublishOptions { mandatory: true, ..Default::default() }, serde_json::to_vec(event).unwrap());
    let sent = channel.basic_publish("events.accounts".into(), Registered::KEY.into(), options, &body, properties);
    assert!(matches!(sent.await.unwrap().await.unwrap(), Confirmation::Ack(None)), "the history accepts it");
}

#[tokio::test]
async fn a_new_consumer_is_fed_from_the_past_and_goes_on_live_without_a_gap_or_an_overlap() {
    let world = world_with_history().await;
    let began = Environment::system().now();
    let (published, enough) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicBool::new(false)));
    let publisher = publishing(connection_to(&world).await, published.clone(), enough.clone());
    eventually("a past", async || match published.load(Ordering::Relaxed) {
        100.. => Ok(()),
        so_far => Err(format!("{so_far} events")),
    })
    .await;

    let app = world.start(probe::service(), &[]).await;
    let live = effects(&app).await.0;
    let replayed = app.replay(probe::service(), Range::since(began)).await.unwrap();
    enough.store(true, Ordering::Relaxed);
    publisher.await.unwrap();
    let published = published.load(Ordering::Relaxed);

    assert!(replayed.finished && replayed.handled as i64 > live, "{replayed:?}, {live} live");
    eventually("every event has its effect once", async || match effects(&app).await {
        (accounts, _) if accounts == published => Ok(()),
        other => Err(format!("{other:?} of {published}")),
    })
    .await;
    assert_eq!(effects(&app).await, (published, published));
    assert_eq!(app.counts().await.parked, 0);
    app.stop().await;
}

#[tokio::test]
async fn a_replay_that_was_stopped_goes_on_where_it_was() {
    let world = world_with_history().await;
    let (began, connection) = (Environment::system().now(), connection_to(&world).await);
    let channel = connection.create_channel().await.unwrap();
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    for _ in 0..300 {
        publish(&channel, &Environment::system(), &account("Zoë")).await;
    }
    let app = world.start(probe::service(), &[("broker", "batch", "10")]).await;
    let (stopper, stopped) = stop::channel();
    let progress = watch::Sender::<Replayed>::default();
    let mut seen = progress.subscribe();

    let (first, ()) = tokio::join!(app.replay_until(stopped, progress, probe::service(), Range::since(began)), async {
        seen.wait_for(|replayed| replayed.handled >= 50).await.unwrap();
        stopper.stop();
    });
    let first = first.unwrap();
    let other = app.replay(probe::service(), Range::since(began + TimeDelta::hours(1))).await;
    let second = app.replay(probe::service(), Range::since(began)).await.unwrap();

    assert!(!first.finished && (50..300).contains(&first.handled), "{first:?}");
    assert!(matches!(other, Err(TaskError::Replay(_))), "{other:?}");
    assert!(second.finished);
    assert_eq!(first.handled + second.handled, 300);
    assert_eq!(effects(&app).await, (300, 300));
    app.stop().await;
}

#[tokio::test]
async fn a_replay_without_the_broker_fails_with_its_reason() {
    let app = TestApp::start(probe::service(), &[]).await;
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let replay = async |key: &'static str, value: &str| {
        let (_sender, never) = stop::channel();
        let mut settings = app.settings().clone();
        settings.set("broker", key, value);
        let range = Range::since(chrono::Utc::now() - TimeDelta::hours(1));
        probe::service().replay(settings, range, false, watch::Sender::default(), never).await.unwrap_err().to_string()
    };

    let unreachable = replay("url", &format!("amqp://contacts@127.0.0.1:{port}/%2f")).await;
    let refused = replay("password", "a-wrong-password").await;

    assert!(unreachable.contains(&format!("127.0.0.1:{port}")), "{unreachable}");
    assert!(refused.contains("ACCESS_REFUSED"), "{refused}");
    app.finish().await;
}

#[tokio::test]
async fn a_replay_from_before_the_history_begins_says_where_it_begins() {
    let (world, now) = (world_with_history().await, Environment::system().now());
    for hours in [5, 3] {
        let event = account("Zoë");
        let envelope = Envelope { time: now - TimeDelta::hours(hours), ..world.envelope_for(&event) };
        world.publish(&event, &envelope).await;
    }
    let app = world.start(probe::service(), &[]).await;

    let from_before = app.replay(probe::service(), Range::since(now - TimeDelta::hours(6))).await.unwrap();
    let from_within = app.replay(probe::service(), Range::since(now - TimeDelta::hours(4))).await.unwrap();

    let begins = [("accounts".to_owned(), now - TimeDelta::hours(5))];
    assert_eq!((from_before.handled, from_before.begin_later), (2, begins.into()));
    assert_eq!((from_within.handled, from_within.begin_later), (1, Default::default()));
    app.stop().await;
}

#[tokio::test]
async fn a_history_says_when_each_event_was_last_published() {
    let (world, now) = (world_with_history().await, Environment::system().now());
    for hours in [5, 1, 3] {
        let event = account("Zoë");
        let envelope = Envelope { time: now - TimeDelta::hours(hours), ..world.envelope_for(&event) };
        world.publish(&event, &envelope).await;
    }
    let app = world.start(probe::service(), &[]).await;
    let link = app.world().link(&app.parts().service.name, "looking");

    let found = published(&link, "accounts").await.unwrap();

    assert_eq!(found.since, Some(now - TimeDelta::hours(5)));
    let registered = Published { last: now - TimeDelta::hours(1), count: 3 };
    assert_eq!(found.messages, [(Registered::NAME.to_owned(), registered)].into());
    app.stop().await;
}

#[tokio::test]
async fn only_what_is_meant_is_replayed_and_what_is_refused_is_parked_as_ever() {
    let (world, now) = (world_with_history().await, Environment::system().now());
    for (hours, name) in [(5, "early"), (3, "Zoë"), (3, "refuse"), (1, "late")] {
        let event = account(name);
        let envelope = Envelope { time: now - TimeDelta::hours(hours), ..world.envelope_for(&event) };
        world.publish(&event, &envelope).await;
    }
    let app = world.start(probe::service(), &[]).await;
    let range = Range {
        until: Some(now - TimeDelta::hours(2)),
        names: BTreeSet::from([Registered::NAME.to_owned()]),
        ..Range::since(now - TimeDelta::hours(4))
    };

    let replayed = app.replay(probe::service(), range.clone()).await.unwrap();
    let again = app.replay(probe::service(), range.clone()).await.unwrap();
    let unheard = Range { names: BTreeSet::from(["accounts.nothing.v1".to_owned()]), ..range };

    assert_eq!((replayed.read, replayed.handled, again.handled), (4, 2, 2));
    assert_eq!(effects(&app).await, (1, 1));
    assert_eq!(app.parked().await.len(), 1);
    assert!(matches!(app.replay(probe::service(), unheard).await, Err(TaskError::Unheard { .. })));
    app.stop().await;
}

#[tokio::test]
async fn a_service_reads_the_histories_of_those_it_listens_to_and_no_other() {
    let app = world_with_history().await.start(probe::service(), &[]).await;
    let network = TopologySpec { service: "network".to_owned(), publishes: true, ..TopologySpec::default() };
    app.world().admin().apply(&network.topology(), &broker_password("network")).await.unwrap();
    let name = app.parts().service.name.clone();
    let url = app.world().amqp_url(&name).replacen('@', &format!(":{}@", broker_password(&name)), 1);

    for (stream, is_allowed) in [("history.accounts", true), ("history.network", false)] {
        let connection = Connection::connect(&url, ConnectionProperties::default()).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        channel.basic_qos(1, BasicQosOptions::default()).await.unwrap();
        let options = BasicConsumeOptions::default();
        let read = channel.basic_consume(stream.into(), "".into(), options, FieldTable::default()).await;
        assert_eq!(read.is_ok(), is_allowed, "{stream}: {read:?}");
    }
    app.stop().await;
}
