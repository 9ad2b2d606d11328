//! Operations that the broker refuses to a service, tested with the users and rights of the topology: everything of
//! another service, and any change of the topology.

use contacts_events::GetContact;
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties,
    options::{
        BasicConsumeOptions, BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions,
        QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions, QueuePurgeOptions,
    },
    types::FieldTable,
};
use skeleton::{
    RequestOptions,
    messaging::{
        handlers::Binding,
        topology::{REPLY_QUEUES, TopologySpec},
    },
    testing::{World, broker_password, eventually},
};
use uuid::Uuid;

const REFUSED: &str = "ACCESS_REFUSED";

/// `gateway`, which calls `contacts`; both subscribe to events and have jobs.
fn topology_spec() -> [TopologySpec; 2] {
    let binding =
        |exchange: &str, key: &str| vec![Binding { exchange: exchange.to_owned(), routing_key: key.to_owned() }];
    let contacts = TopologySpec {
        service: "contacts".to_owned(),
        events: binding("events.accounts", "erased.v1"),
        jobs: binding("jobs.contacts", "import-file.v1"),
        requests: binding("requests.contacts", "get-contact.v1"),
        callers: vec!["gateway".to_owned()],
        ..TopologySpec::default()
    };
    let gateway = TopologySpec {
        service: "gateway".to_owned(),
        events: binding("events.contacts", "contact-added.v1"),
        jobs: binding("jobs.gateway", "tidy.v1"),
        calls: vec!["contacts".to_owned()],
        ..TopologySpec::default()
    };
    [contacts, gateway]
}

/// A virtual host with both services, and a connection as one of them.
struct Scene {
    world: World,
    connection: Connection,
}

impl Scene {
    async fn of(user: &str) -> Self {
        let world = World::new().await;
        for topology_spec in topology_spec() {
            let password = broker_password(&topology_spec.service);
            world.admin().apply(&topology_spec.topology(), &password).await.unwrap();
        }
        let url = world.amqp_url(user).replace(&format!("{user}@"), &format!("{user}:{}@", broker_password(user)));
        let connection = Connection::connect(&url, ConnectionProperties::default()).await.unwrap();
        Self { world, connection }
    }

    /// A refusal closes the channel: each attempt has its own.
    async fn channel(&self) -> Channel {
        let channel = self.connection.create_channel().await.unwrap();
        channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        channel
    }

    async fn publish(&self, exchange: &str, key: &str, properties: BasicProperties) -> Result<(), String> {
        let channel = self.channel().await;
        let options = BasicPublishOptions::default();
        let sent = channel.basic_publish(exchange.into(), key.into(), options, b"{}", properties).await;
        let confirm = sent.map_err(|error| error.to_string())?.await.map_err(|error| error.to_string())?;
        assert!(confirm.is_ack());
        Ok(())
    }

    async fn end(self) {
        // Channels with a refused operation may still be closing.
        let _ = self.connection.close(200, "bye".into()).await;
        self.world.remove().await;
    }
}

fn nothing() -> FieldTable {
    FieldTable::default()
}

fn assert_refused<T>(what: &str, outcome: Result<T, impl std::fmt::Display>) {
    let error = outcome.map(|_| ()).map_err(|error| error.to_string());
    assert!(error.as_ref().is_err_and(|error| error.contains(REFUSED)), "{what}: {error:?}");
}

#[tokio::test]
async fn what_is_its_own_a_service_may_do() {
    let scene = Scene::of("contacts").await;

    for (exchange, key) in [
        ("events.contacts", "contact-added.v1"),
        ("jobs.contacts", "import-file.v1"),
        ("replies.gateway", "gateway.replies.1"),
    ] {
        scene.publish(exchange, key, BasicProperties::default().with_user_id("contacts".into())).await.unwrap();
    }
    for queue in ["contacts.events", "contacts.jobs", "contacts.requests", "contacts.dead"] {
        let options = BasicConsumeOptions::default();
        scene.channel().await.basic_consume(queue.into(), "".into(), options, nothing()).await.unwrap();
    }
    scene.end().await;
}

#[tokio::test]
async fn publishing_what_is_anothers_is_refused() {
    let scene = Scene::of("gateway").await;

    for (exchange, key) in [
        ("events.contacts", "contact-added.v1"),
        ("events.accounts", "erased.v1"),
        ("jobs.contacts", "import-file.v1"),
        ("replies.contacts", "contacts.replies.1"),
        ("dead.contacts", ""),
        ("dead.gateway", ""),
        // Through the default exchange, any queue could be written to.
        ("", "contacts.events"),
        ("", "gateway.events"),
        ("amq.topic", "contact-added.v1"),
    ] {
        let outcome = scene.publish(exchange, key, BasicProperties::default()).await;
        assert_refused(&format!("publishing {key} to {exchange:?}"), outcome);
    }
    scene.end().await;
}

#[tokio::test]
async fn asking_who_was_not_declared_is_refused() {
    let scene = Scene::of("contacts").await;

    assert_refused(
        "calling itself",
        scene.publish("requests.contacts", "get-contact.v1", BasicProperties::default()).await,
    );
    assert_refused("calling gateway", scene.publish("requests.gateway", "any.v1", BasicProperties::default()).await);
    scene.end().await;
}

#[tokio::test]
async fn reading_anothers_queue_is_refused() {
    let scene = Scene::of("gateway").await;

    for queue in ["contacts.events", "contacts.jobs", "contacts.requests", "contacts.dead"] {
        let options = BasicConsumeOptions::default();
        let consumed = scene.channel().await.basic_consume(queue.into(), "".into(), options, nothing()).await;
        assert_refused(&format!("consuming {queue}"), consumed);
        let got = scene.channel().await.basic_get(queue.into(), BasicGetOptions::default()).await;
        assert_refused(&format!("getting from {queue}"), got);
        let purged = scene.channel().await.queue_purge(queue.into(), QueuePurgeOptions::default()).await;
        assert_refused(&format!("purging {queue}"), purged);
    }
    scene.end().await;
}

#[tokio::test]
async fn declaring_deleting_and_binding_is_refused_even_of_its_own() {
    let scene = Scene::of("gateway").await;

    for queue in ["gateway.more", "gateway.replies.mine", "contacts.more", "amq.gen-mine", ""] {
        let options = QueueDeclareOptions { exclusive: true, ..Default::default() };
        let declared = scene.channel().await.queue_declare(queue.into(), options, nothing()).await;
        assert_refused(&format!("declaring {queue:?}"), declared);
    }
    for exchange in ["events.gateway.more", "events.more"] {
        let options = ExchangeDeclareOptions::default();
        let kind = lapin::ExchangeKind::Topic;
        let declared = scene.channel().await.exchange_declare(exchange.into(), kind, options, nothing()).await;
        assert_refused(&format!("declaring {exchange}"), declared);
    }
    for (queue, exchange) in [
        ("gateway.events", "events.accounts"),
        ("gateway.events", "events.contacts"),
        ("gateway.replies.1", "replies.gateway"),
        ("gateway.replies.1", "replies.contacts"),
    ] {
        let options = QueueBindOptions::default();
        let bound =
            scene.channel().await.queue_bind(queue.into(), exchange.into(), "#".into(), options, nothing()).await;
        assert_refused(&format!("binding {queue} to {exchange}"), bound);
    }
    let deleted = scene.channel().await.queue_delete("gateway.events".into(), QueueDeleteOptions::default()).await;
    assert_refused("deleting gateway.events", deleted);
    scene.end().await;
}

#[tokio::test]
async fn saying_that_it_is_another_is_refused() {
    let scene = Scene::of("gateway").await;
    let forged = BasicProperties::default().with_user_id("contacts".into());

    let outcome = scene.publish("events.gateway", "any.v1", forged).await;

    assert!(outcome.as_ref().is_err_and(|error| error.contains("PRECONDITION_FAILED")), "{outcome:?}");
    scene.end().await;
}

#[tokio::test]
async fn a_queue_for_replies_belongs_to_one_instance_at_a_time() {
    let scene = Scene::of("gateway").await;
    let options = BasicConsumeOptions { exclusive: true, ..Default::default() };
    let first = scene.channel().await;
    let _reading = first.basic_consume("gateway.replies.1".into(), "".into(), options, nothing()).await.unwrap();

    let second = scene.channel().await.basic_consume("gateway.replies.1".into(), "".into(), options, nothing()).await;
    assert_refused("consuming the replies of another instance", second);

    first.close(200, "bye".into()).await.unwrap();
    scene.channel().await.basic_consume("gateway.replies.1".into(), "".into(), options, nothing()).await.unwrap();
    scene.end().await;
}

#[tokio::test]
async fn as_many_instances_ask_at_the_same_time_as_there_are_queues_for_replies() {
    let scene = Scene::of("gateway").await;

    // No service answers: only the queue for the reply matters here.
    let mut instances = Vec::new();
    for _ in 0..REPLY_QUEUES {
        instances.push(scene.world.requests_of("gateway", &["contacts"]).await);
    }
    eventually("a queue for each", async || {
        let queues = scene.world.admin().get(&format!("consumers/{}", scene.world.vhost())).await.unwrap();
        match queues.as_array().unwrap().len() {
            REPLY_QUEUES => Ok(()),
            seen => Err(seen.to_string()),
        }
    })
    .await;

    let one_more = scene.world.requests_of("gateway", &["contacts"]).await;
    let asked = GetContact { contact_id: Uuid::new_v4(), account_id: Uuid::new_v4() };
    let problem = one_more.call(&asked, RequestOptions::default()).await.unwrap_err();
    assert_eq!(problem.status, 503);
    assert!(problem.detail.contains("no free queue for replies"), "{problem:?}");
    scene.end().await;
}
