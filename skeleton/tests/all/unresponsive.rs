//! A queue whose process at the broker does not respond affects only the messages for it.

use std::{
    collections::BTreeMap,
    os::unix::process::CommandExt,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use contacts_events::{
    ContactAdded, ContactAddedV2, ContactRemoved, GetContact, ImportFile, ImportProgressed, ImportStarted,
};
use events::{Event, Message};
use futures::future::join_all;
use lapin::{
    BasicProperties, Connection, ConnectionProperties,
    options::{BasicPublishOptions, QueueDeclareOptions},
    types::FieldTable,
};
use network_events::GetDegrees;
use skeleton::{
    Environment, Publish,
    config::BrokerSettings,
    messaging::{
        Deliveries,
        handlers::Binding,
        rabbit::{Link, Login, RabbitDeliveries, RabbitPublisher},
        topology::{TopologySpec, reply_queues},
    },
    stop::channel,
    store::{Outcome, Outgoing, Publisher, Store, Transaction},
    telemetry::metrics_text,
    testing::{Fault, Proxy, Servers, TestApp, World, broker_password, eventually},
};
use uuid::Uuid;

use crate::{
    conformance::bench::postgres,
    probe,
    relaying::{Relaying, WINDOW, subscribes},
    requests::try_to_close,
};

/// More messages than one subject has, and fewer than the broker's connection accepts for a channel that waits.
pub const MANY: usize = 100;

/// Evaluates an Erlang expression in the broker that `deploy/native` has started, as the broker's user. Blocks its thread
/// for seconds on a busy machine: the tests have a second one, which sends heartbeats.
pub fn evaluate(expression: &str) {
    let run = std::env::var("KITH_RUN").unwrap();
    let pid = std::fs::read_to_string(format!("{run}/pid/rabbitmq")).unwrap();
    let process = format!("/proc/{}", pid.split_whitespace().next().unwrap());
    let environment = String::from_utf8(std::fs::read(format!("{process}/environ")).unwrap()).unwrap();
    let names = ["HOME", "RABBITMQ_NODENAME", "RABBITMQ_CONF_ENV_FILE", "ERL_EPMD_PORT"];
    let variables = environment.split('\0').filter_map(|line| line.split_once('='));
    let owner = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(&process).unwrap());
    let group = std::os::unix::fs::MetadataExt::gid(&std::fs::metadata(&process).unwrap());
    let output = Command::new("/usr/lib/rabbitmq/bin/rabbitmqctl")
        .env_clear()
        .envs([("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), ("LANG", "C.UTF-8")])
        .envs(variables.filter(|(name, _)| names.contains(name)))
        .args(["eval", expression])
        .uid(owner)
        .gid(group)
        .current_dir("/")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// A queue whose process is suspended until this is dropped.
struct Suspended(String);

impl Suspended {
    fn queue(world: &World, queue: &str) -> Self {
        let process = format!("'{}_{queue}'", world.vhost());
        evaluate(&format!("sys:suspend({process})."));
        Self(process)
    }

    /// A classic queue: its process has no name.
    fn classic(world: &World, queue: &str) -> Self {
        let name = format!("rabbit_misc:r(<<\"{}\">>, queue, <<\"{queue}\">>)", world.vhost());
        let process = format!("amqqueue:get_pid(element(2, rabbit_amqqueue:lookup({name})))");
        evaluate(&format!("sys:suspend({process})."));
        Self(process)
    }
}

impl Drop for Suspended {
    fn drop(&mut self) {
        evaluate(&format!("sys:resume({}).", self.0));
    }
}

/// The names of the next messages, by subject.
async fn next(deliveries: &mut RabbitDeliveries, many: usize) -> BTreeMap<String, Vec<String>> {
    let mut seen: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut count = 0;
    while count < many {
        let messages = tokio::time::timeout(Duration::from_secs(60), deliveries.next(many)).await;
        for message in messages.unwrap_or_else(|_| panic!("{count} of {many} messages have arrived")) {
            let envelope = message.envelope.as_ref().unwrap();
            let names = seen.entry(envelope.subject.clone().unwrap()).or_default();
            if !names.contains(&envelope.name) {
                names.push(envelope.name.clone());
                count += 1;
            }
            deliveries.acknowledge_through(&message).await;
        }
    }
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_does_not_respond_holds_up_no_messages_for_other_queues() {
    let world = World::new().await;
    subscribes(&world, "contacts", &[]).await;
    subscribes(&world, "network", &[ContactRemoved::KEY]).await;
    subscribes(&world, "search", &[ImportStarted::KEY, ImportProgressed::KEY]).await;
    let bench = postgres().await;
    let link = world.link("contacts", "publishing");
    let publisher = RabbitPublisher::new(link.clone(), Duration::from_secs(5));
    let admin = administrator(&world).await;
    send(&admin, "contacts.dead", Uuid::new_v4()).await;
    let mut beside = RabbitDeliveries::new(link, "contacts.dead".to_owned(), 10);
    let held = beside.next(10).await;
    let mut tx = bench.begin(&[]).await;
    for _ in 0..MANY {
        tx.publish(ContactRemoved { contact_id: Uuid::new_v4(), ..contacts_events::samples::contact_removed() })
            .unwrap();
    }
    tx.commit().await.unwrap();

    let suspended = Suspended::queue(&world, "network.events");
    let relaying = Relaying::start(world, bench, publisher);
    let world = &relaying.world;
    let mut imports = Vec::new();
    for _ in 0..20 {
        let import_id = Uuid::new_v4();
        let mut tx = relaying.bench.begin(&[]).await;
        tx.publish(ImportStarted { import_id, ..contacts_events::samples::import_started() }).unwrap();
        tx.publish(ImportProgressed { import_id, ..contacts_events::samples::import_progressed() }).unwrap();
        tx.commit().await.unwrap();
        imports.push(import_id.to_string());
    }
    let mut well = RabbitDeliveries::new(world.link("search", "consuming"), "search.events".to_owned(), 10);
    let seen = next(&mut well, 2 * imports.len()).await;
    send(&admin, "contacts.dead", Uuid::new_v4()).await;
    let after = beside.next(10).await;

    let in_order = [ImportStarted::KEY, ImportProgressed::KEY].map(|key| format!("contacts.{key}"));
    assert!(imports.iter().all(|import| seen[import] == in_order), "{seen:?}");
    // A consumer may have a message before the relay has its confirm.
    eventually("only messages to the unresponsive queue are left", async || {
        match relaying.bench.store.counts().await.unwrap().outbox {
            left if left == MANY as i64 => Ok(()),
            left => Err(format!("{left} messages")),
        }
    })
    .await;
    assert_eq!((held.len(), after.len()), (1, 1));
    assert_eq!(after[0].deliveries_before, 0, "the connection that publishes was replaced");
    drop(suspended);
    let mut ill = RabbitDeliveries::new(world.link("network", "consuming"), "network.events".to_owned(), 10);
    assert_eq!(next(&mut ill, MANY).await.len(), MANY);
    relaying.has_sent_everything().await;
    relaying.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_in_two_versions_for_a_queue_that_does_not_respond_holds_up_no_messages_for_other_queues() {
    let world = World::new().await;
    subscribes(&world, "contacts", &[]).await;
    subscribes(&world, "network", &[ContactAddedV2::KEY, ContactAdded::KEY]).await;
    subscribes(&world, "search", &[ContactRemoved::KEY]).await;
    let bench = postgres().await;
    let link = world.link("contacts", "publishing");
    let before = connected(&world, "contacts publishing").await;
    let publisher = RabbitPublisher::new(link, Duration::from_secs(5));
    let mut tx = bench.begin(&[]).await;
    // In two versions, these are more messages than the broker's connection accepts for a channel that waits.
    for _ in 0..WINDOW {
        tx.publish(ContactAddedV2 { contact_id: Uuid::new_v4(), ..contacts_events::samples::contact_added_v2() })
            .unwrap();
    }
    for _ in 0..MANY {
        tx.publish(ContactRemoved { contact_id: Uuid::new_v4(), ..contacts_events::samples::contact_removed() })
            .unwrap();
    }
    tx.commit().await.unwrap();

    let suspended = Suspended::queue(&world, "network.events");
    let relaying = Relaying::start(world, bench, publisher);
    let world = &relaying.world;
    let mut well = RabbitDeliveries::new(world.link("search", "consuming"), "search.events".to_owned(), 10);
    assert_eq!(next(&mut well, MANY).await.len(), MANY);

    let after = connections(world, "contacts publishing").await;
    assert_eq!(after, before, "the connection that publishes was replaced");
    drop(suspended);
    let mut ill = RabbitDeliveries::new(world.link("network", "consuming"), "network.events".to_owned(), 10);
    assert_eq!(next(&mut ill, 2 * WINDOW).await.len(), WINDOW);
    relaying.has_sent_everything().await;
    relaying.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_larger_than_a_connection_accepts_does_not_block_the_connection() {
    let world = World::new().await;
    subscribes(&world, "contacts", &[]).await;
    subscribes(&world, "network", &[ContactRemoved::KEY]).await;
    subscribes(&world, "search", &[ImportStarted::KEY]).await;
    let publisher = RabbitPublisher::new(world.link("contacts", "publishing"), Duration::from_secs(5));
    let removed = ContactRemoved { contact_id: Uuid::new_v4(), ..contacts_events::samples::contact_removed() };
    let started = contacts_events::samples::import_started();
    assert_eq!(publisher.publish(vec![outgoing(&world, &started)]).await, [Outcome::Confirmed]);
    let before = connected(&world, "contacts publishing").await;
    let suspended = Suspended::queue(&world, "network.events");

    let outcomes = publisher.publish((0..3_000).map(|_| outgoing(&world, &removed)).collect()).await;
    let after = publisher.publish(vec![outgoing(&world, &started)]).await;

    let late = outcomes.iter().filter(|outcome| **outcome == Outcome::Unconfirmed).count();
    assert_eq!((late, outcomes.len(), after), (200, 3_000, vec![Outcome::Confirmed]));
    assert_eq!(connections(&world, "contacts publishing").await, before, "the connection that publishes was replaced");
    drop(suspended);
    world.remove().await;
}

pub fn outgoing<E: Event + serde::Serialize>(world: &World, event: &E) -> Outgoing {
    Outgoing {
        exchange: "events.contacts".to_owned(),
        routing_key: E::KEY.to_owned(),
        envelope: world.envelope_for(event),
        body: serde_json::to_vec(event).unwrap().into(),
    }
}

/// Counts the messages that are published apart, and is as slow with each as a broker under load.
struct Counting {
    publisher: RabbitPublisher,
    apart: Arc<AtomicUsize>,
}

impl Publisher for Counting {
    async fn publish(&self, window: Vec<Outgoing>) -> Vec<Outcome> {
        self.publisher.publish(window).await
    }

    async fn publish_apart(&self, messages: Vec<Outgoing>) -> Vec<Outcome> {
        self.apart.fetch_add(messages.len(), Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(20)).await;
        self.publisher.publish_apart(messages).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_of_one_kind_go_out_together_again_once_their_queue_responds() {
    let world = World::new().await;
    world.admin().apply(&probe::service().topology_spec(1).topology(), &broker_password("contacts")).await.unwrap();
    let bench = postgres().await;
    let publisher = RabbitPublisher::new(world.link("contacts", "publishing"), Duration::from_secs(2));
    let apart = Arc::new(AtomicUsize::new(0));
    let publisher = Counting { publisher, apart: apart.clone() };
    let mut tx = bench.begin(&[]).await;
    for position in 0..5_000 {
        tx.enqueue(ImportFile { import_id: Uuid::new_v4(), position }).unwrap();
    }
    tx.commit().await.unwrap();
    let suspended = Suspended::queue(&world, "contacts.jobs");
    let relaying = Relaying::start(world, bench, publisher);
    eventually("the jobs go apart", async || match relaying.postponed().await {
        0 => Err("none is postponed".to_owned()),
        _ => Ok(()),
    })
    .await;

    drop(suspended);
    relaying.has_sent_everything().await;

    let apart = apart.load(Ordering::Relaxed);
    assert!(apart < 1_000, "{apart} were published apart, one after the other");
    relaying.end().await;
}

#[tokio::test]
async fn what_is_not_confirmed_in_time_goes_apart_even_if_the_connection_does_not_work_either() {
    let world = World::new().await;
    subscribes(&world, "contacts", &[]).await;
    subscribes(&world, "network", &[ContactRemoved::KEY]).await;
    let url = world.amqp_url("contacts");
    let (place, vhost) = url.trim_start_matches("amqp://contacts@").split_once('/').unwrap();
    let proxy = Proxy::before(place).await;
    let url = format!("amqp://contacts@{}/{vhost}", proxy.address());
    let login = Login::new(&BrokerSettings { url, ..world.broker_settings("contacts") }).unwrap();
    let (_stop, stopped) = channel();
    let link = Link::open(login, "contacts publishing".to_owned(), Environment::system(), stopped);
    let publisher = RabbitPublisher::new(link, Duration::from_secs(2));
    let event = ContactRemoved { contact_id: Uuid::new_v4(), ..contacts_events::samples::contact_removed() };
    let window = || vec![outgoing(&world, &event)];
    assert_eq!(publisher.publish(window()).await, [Outcome::Confirmed]);

    proxy.fault(Fault::Timeout);
    let outcomes = publisher.publish(window()).await;

    assert_eq!(outcomes, [Outcome::Unconfirmed], "the relay would send it with the others again");
    world.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_the_connection_for_messages_apart_says_nothing_about_them() {
    let world = World::new().await;
    subscribes(&world, "contacts", &[]).await;
    subscribes(&world, "network", &[ContactRemoved::KEY]).await;
    let publisher = Arc::new(RabbitPublisher::new(world.link("contacts", "publishing"), Duration::from_secs(5)));
    let event = ContactRemoved { contact_id: Uuid::new_v4(), ..contacts_events::samples::contact_removed() };
    let message = outgoing(&world, &event);
    let suspended = Suspended::queue(&world, "network.events");

    let publishing = tokio::spawn(async move { publisher.publish_apart(vec![message]).await });
    // The broker may close it and report an error: one of its queues does not respond.
    eventually("the connection has ended", async || {
        let closed = try_to_close(&world, "contacts publishing apart").await;
        if publishing.is_finished() { Ok(()) } else { Err(format!("{closed:?}")) }
    })
    .await;

    // `Unroutable` would end the publishing of an older version.
    assert_eq!(publishing.await.unwrap(), [Outcome::Unknown]);
    drop(suspended);
    world.remove().await;
}

/// The connections with this name, each with its ports.
pub async fn connections(world: &World, name: &str) -> Vec<String> {
    let connections = world.admin().get("connections").await.unwrap();
    let is_meant = |connection: &&serde_json::Value| {
        connection["vhost"] == world.vhost() && connection["client_properties"]["connection_name"] == name
    };
    let meant = connections.as_array().into_iter().flatten().filter(is_meant);
    meant.map(|connection| connection["name"].to_string()).collect()
}

/// The same, as soon as there is one: the broker lists new ones some seconds late.
pub async fn connected(world: &World, name: &str) -> Vec<String> {
    eventually("a connection is listed", async || match connections(world, name).await {
        none if none.is_empty() => Err(format!("none is named {name}")),
        connections => Ok(connections),
    })
    .await
}

/// A connection of the broker's administrator.
pub async fn administrator(world: &World) -> Connection {
    let servers = Servers::from_env();
    let (place, _) = servers.amqp.rsplit_once('/').unwrap();
    let url = format!("{place}/{}", world.vhost());
    Connection::connect(&url, ConnectionProperties::default()).await.unwrap()
}

async fn send(connection: &Connection, queue: &str, id: Uuid) {
    let properties = BasicProperties::default().with_message_id(id.to_string().into());
    let channel = connection.create_channel().await.unwrap();
    let options = BasicPublishOptions::default();
    channel.basic_publish("".into(), queue.into(), options, b"{}", properties).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_does_not_respond_costs_no_other_queue_its_consumer() {
    let app = TestApp::start(probe::service(), &[]).await;
    let world = app.world();
    subscribes(world, "network", &[ContactRemoved::KEY]).await;
    let admin = administrator(world).await;
    let link = world.link("network", "consuming");
    let (first, second, third) = (Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4());
    send(&admin, "network.dead", first).await;
    send(&admin, "network.events", third).await;
    let mut well = RabbitDeliveries::new(link.clone(), "network.dead".to_owned(), 10);
    let held = well.next(10).await;

    let suspended = Suspended::queue(world, "network.events");
    let mut ill = RabbitDeliveries::new(link, "network.events".to_owned(), 10);
    let waiting = tokio::spawn(async move { ill.next(10).await });
    connected(world, "network consuming network.events").await;
    send(&admin, "network.dead", second).await;
    let after = tokio::time::timeout(Duration::from_secs(30), well.next(10)).await.unwrap();

    assert_eq!((held.len(), after.len()), (1, 1));
    assert_eq!(after[0].deliveries_before, 0, "the message held before was returned and delivered again");
    drop(suspended);
    let arrived = tokio::time::timeout(Duration::from_secs(60), waiting).await.unwrap().unwrap();
    assert_eq!(arrived.len(), 1);
    let metrics = metrics_text();
    let of_its_own = "broker_connected{connection=\"network consuming network.events\"}";
    assert!(!metrics.contains(of_its_own), "an alert would show a connection that is no longer needed");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_to_a_service_that_does_not_respond_hold_up_none_to_others() {
    let app = TestApp::start(probe::service(), &[]).await;
    let world = app.world();
    let network = TopologySpec {
        service: "network".to_owned(),
        requests: vec![Binding { exchange: "requests.network".to_owned(), routing_key: GetDegrees::KEY.to_owned() }],
        callers: vec!["gateway".to_owned()],
        ..TopologySpec::default()
    };
    world.admin().apply(&network.topology(), &broker_password("network")).await.unwrap();
    let requests = world.requests_of("gateway", &["contacts", "network"]).await;
    let suspended = Suspended::classic(world, "network.requests");
    let degrees = network_events::samples::get_degrees();
    // Twice what the broker accepts from a connection for a queue that does not take it.
    let to_network = join_all((0..800).map(|_| requests.call(&degrees, Default::default())));
    let (contact_id, account_id) = (Uuid::new_v4(), Uuid::new_v4());

    let to_contacts = async {
        for _ in 0..20 {
            let asked = requests.call(&GetContact { contact_id, account_id }, Default::default()).await;
            assert_eq!(asked.unwrap_err().status, 404);
        }
    };

    tokio::select! {
        biased;
        answers = to_network => panic!("network answered: {:?}", answers.first()),
        () = to_contacts => {}
    }
    drop(suspended);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_queue_that_does_not_respond_holds_up_no_replies_to_others() {
    let app = TestApp::start(probe::service(), &[]).await;
    let world = app.world();
    let requests = world.requests_of("gateway", &["contacts"]).await;
    let asked = GetContact { contact_id: Uuid::new_v4(), account_id: Uuid::new_v4() };
    assert_eq!(requests.call(&asked, Default::default()).await.unwrap_err().status, 404);
    let ill = reply_queues_with(world, |consumers| consumers == 0).await.remove(0);
    let suspended = Suspended::classic(world, &ill);

    // Twice what the broker accepts from a connection for a queue that does not take it.
    for _ in 0..800 {
        world.ask("gateway", &ill, &asked).await;
    }

    for _ in 0..20 {
        assert_eq!(requests.call(&asked, Default::default()).await.unwrap_err().status, 404);
    }
    drop(suspended);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_whose_own_reply_queue_does_not_respond_takes_another() {
    let app = TestApp::start(probe::service(), &[]).await;
    let world = app.world();
    let requests = world.requests_of("gateway", &["contacts"]).await;
    let asked = GetContact { contact_id: Uuid::new_v4(), account_id: Uuid::new_v4() };
    assert_eq!(requests.call(&asked, Default::default()).await.unwrap_err().status, 404);
    // The test's application has claimed one as well.
    let claimed = reply_queues_with(world, |consumers| consumers > 0).await;
    let suspended: Vec<_> = claimed.iter().map(|queue| Suspended::classic(world, queue)).collect();

    assert_eq!(requests.call(&asked, Default::default()).await.unwrap_err().status, 504);
    eventually("a reply", async || match requests.call(&asked, Default::default()).await.unwrap_err().status {
        404 => Ok(()),
        status => Err(status.to_string()),
    })
    .await;

    drop(suspended);
    app.finish().await;
}

/// The gateway's reply queues with such a number of consumers.
async fn reply_queues_with(world: &World, is_it: impl Fn(u32) -> bool) -> Vec<String> {
    let channel = administrator(world).await.create_channel().await.unwrap();
    let mut found = Vec::new();
    for queue in reply_queues("gateway") {
        let options = QueueDeclareOptions { passive: true, ..Default::default() };
        let declared = channel.queue_declare(queue.as_str().into(), options, FieldTable::default()).await.unwrap();
        if is_it(declared.consumer_count()) {
            found.push(queue);
        }
    }
    found
}
