//! A virtual host of the broker for one test, in which one or more services run.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use events::{Envelope, Message, Request};
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties,
    options::{BasicPublishOptions, ConfirmSelectOptions},
};
use serde_json::json;
use uuid::Uuid;

use super::{Servers, TestClock, eventually, spy::Spy};
use crate::{
    config::{BrokerSettings, RequestSettings},
    environment::Environment,
    messaging::{
        handlers::RequestHandlers,
        rabbit::{Link, Login, RabbitPublisher, properties},
        requests::{Requests, Server, serve},
        topology::{Admin, TopologySpec, encoded},
    },
    stop::{self, StopSender},
    store::{ServiceContext, Store},
};

/// The password of every service in tests.
pub const PASSWORD: &str = "test-password";

/// The password of a user of the test's broker: from the servers' secrets if they have one, because users are the same
/// in every virtual host and other programs may be using them.
pub fn broker_password(user: &str) -> String {
    let secret =
        std::env::var_os("KITH_SECRETS").map(|folder| std::path::Path::new(&folder).join(format!("{user}.broker")));
    let password = secret.and_then(|path| std::fs::read_to_string(path).ok());
    password.map_or_else(|| PASSWORD.to_owned(), |password| password.trim_end().to_owned())
}

/// A virtual host for one test.
pub struct World {
    pub(super) servers: Servers,
    pub(super) vhost: String,
    pub(super) admin: Admin,
    pub(super) environment: Environment,
    channel: Channel,
    connection: Connection,
    sender_url: String,
    sequences: Mutex<HashMap<String, i64>>,
    stop: StopSender,
    stopped: stop::Stop,
    pub(super) clock: Option<TestClock>,
}

impl World {
    /// Creates a world.
    pub async fn new() -> Self {
        Self::in_environment(Environment::system()).await
    }

    /// Creates a world whose time the test moves, with [`TestApp::advance`].
    pub async fn in_time_of(clock: &TestClock) -> Self {
        Self { clock: Some(clock.clone()), ..Self::in_environment(clock.environment()).await }
    }

    /// Creates a world with the given environment.
    pub async fn in_environment(environment: Environment) -> Self {
        let servers = Servers::from_env();
        let vhost = format!("test-{}", &environment.new_id().simple().to_string()[..12]);
        let admin = Admin::new(&servers.rabbit_api, &vhost);
        admin.put(&format!("vhosts/{vhost}"), &json!({})).await.expect("the test's broker makes a virtual host");
        let (address, _) = servers.amqp.rsplit_once('/').expect("an AMQP address has a path");
        let user =
            address.split_once("://").and_then(|(_, rest)| rest.split_once(':')).map_or("guest", |(user, _)| user);
        let all = json!({ "configure": ".*", "write": ".*", "read": ".*" });
        admin.put(&format!("permissions/{vhost}/{}", encoded(user)), &all).await.expect("the admin may use it");
        let url = sender_url(&admin, address, &vhost).await;
        let connection = Connection::connect(&url, ConnectionProperties::default()).await;
        let connection = connection.expect("the test's broker answers");
        let channel = connection.create_channel().await.expect("the broker opens a channel");
        channel.confirm_select(ConfirmSelectOptions::default()).await.expect("the broker confirms");
        let (stop, stopped) = stop::channel();
        Self {
            servers,
            vhost,
            admin,
            environment,
            channel,
            connection,
            sender_url: url,
            sequences: Mutex::default(),
            stop,
            stopped,
            clock: None,
        }
    }

    /// The address of the virtual host for a user, without the password.
    pub fn amqp_url(&self, user: &str) -> String {
        let (place, _) = self.servers.amqp.rsplit_once('/').expect("an AMQP address has a path");
        let (_, place) = place.split_once('@').expect("an AMQP address has a user");
        format!("amqp://{user}@{place}/{}", self.vhost)
    }

    /// The address for the user that may publish in the name of any service, with its password.
    pub fn sender_url(&self) -> &str {
        &self.sender_url
    }

    /// The name of the virtual host.
    pub fn vhost(&self) -> &str {
        &self.vhost
    }

    /// The broker's administrator, for this virtual host.
    pub fn admin(&self) -> &Admin {
        &self.admin
    }

    /// Watches what a service publishes.
    pub(super) async fn spy_on(&self, service: &str) -> Spy {
        Spy::on(&self.connection, service).await
    }

    /// A client that sends requests as another service, with that service's user and rights.
    pub async fn requests_of(&self, caller: &str, calls: &[&str]) -> Requests {
        let topology_spec = TopologySpec {
            service: caller.to_owned(),
            calls: calls.iter().map(|service| (*service).to_owned()).collect(),
            ..TopologySpec::default()
        };
        self.admin
            .apply(&topology_spec.topology(), &broker_password(caller))
            .await
            .expect("the caller's topology can be applied");
        let timeout = std::time::Duration::from_secs(10);
        let publisher = Arc::new(RabbitPublisher::new(self.link(caller, "asking"), timeout));
        let replies = self.link(caller, "replies");
        Requests::start(caller, replies, publisher, timeout, self.environment.clone(), self.stopped.clone())
    }

    /// Answers a caller's requests in place of a service, with that service's user and rights. The handlers write to
    /// the given store.
    pub(super) async fn answer<S: Store>(
        &self,
        service: &'static str,
        caller: &str,
        answers: RequestHandlers<S>,
        store: S,
    ) {
        let topology_spec = TopologySpec {
            service: service.to_owned(),
            requests: answers.bindings.clone(),
            callers: vec![caller.to_owned()],
            ..TopologySpec::default()
        };
        self.admin
            .apply(&topology_spec.topology(), &broker_password(service))
            .await
            .expect("the stand-in's topology can be applied");
        let settings = RequestSettings { concurrency: 16, timeout_ms: 10_000, per_caller_per_second: 10_000 };
        let context = Arc::new(ServiceContext::new(service, self.environment.clone()));
        let mut all = RequestHandlers::new();
        all.add(answers, &[caller]);
        let server = Arc::new(Server::new(context, store, all, settings));
        let (requests, replies) = (self.link(service, "requests"), self.link(service, "replying"));
        tokio::spawn(serve(server, requests, replies, self.stopped.clone()));
    }

    /// A connection of a user to the broker.
    pub fn link(&self, user: &str, purpose: &str) -> Link {
        let login = Login::new(&self.broker_settings(user)).expect("the address is valid");
        Link::open(login, format!("{user} {purpose}"), self.environment.clone(), self.stopped.clone())
    }

    /// The broker settings for a user.
    pub fn broker_settings(&self, user: &str) -> BrokerSettings {
        BrokerSettings {
            url: self.amqp_url(user),
            password: broker_password(user).as_str().into(),
            prefetch: 256,
            batch: 64,
            partitions: 1,
            window: 256,
            confirm_timeout_ms: 5000,
            reconnect_max_ms: 500,
            tls_ca_file: None,
            allow_plaintext: false,
        }
    }

    /// An envelope for a message, as its owner would write it, with the next sequence of its subject.
    pub fn envelope_for<M: Message>(&self, message: &M) -> Envelope {
        let subject = message.subject();
        let sequence = subject.as_ref().map(|subject| {
            let mut sequences = self.sequences.lock().unwrap_or_else(PoisonError::into_inner);
            let last = sequences.entry(format!("{} {subject}", M::SERVICE)).or_default();
            *last += 1;
            *last
        });
        Envelope {
            id: self.environment.new_message_id(),
            name: M::NAME.to_owned(),
            source: format!("/{}", M::SERVICE),
            time: self.environment.now(),
            subject,
            sequence,
            trace: Some(self.environment.new_trace()),
            correlation_id: None,
            causation_id: None,
            actor: None,
            deadline: None,
        }
    }

    /// Publishes a message as its owner would. Returns its id.
    pub async fn publish<M: Message>(&self, message: &M, envelope: &Envelope) -> Uuid {
        let kind = match M::KIND {
            events::Kind::Event => "events",
            events::Kind::Job => "jobs",
            events::Kind::Request | events::Kind::Reply => panic!("use `Requests` for requests, not `publish`"),
        };
        let body = serde_json::to_vec(message).expect("a message can be serialized");
        self.publish_data(&format!("{kind}.{}", M::SERVICE), M::KEY, envelope, &body).await;
        envelope.id
    }

    /// Sends a request in the name of a caller, with any address for the reply, and does not wait for it.
    pub async fn ask<R: Request>(&self, caller: &str, reply_to: &str, request: &R) {
        let body = serde_json::to_vec(request).expect("a request can be serialized");
        let properties = properties(&self.envelope_for(request), caller).with_reply_to(reply_to.into());
        self.publish_raw(&format!("requests.{}", R::SERVICE), R::KEY, &body, properties).await;
    }

    /// Publishes arbitrary data in an envelope.
    pub async fn publish_data(&self, exchange: &str, routing_key: &str, envelope: &Envelope, body: &[u8]) {
        let owner = envelope.name.split_once('.').map_or("", |(owner, _)| owner);
        self.publish_raw(exchange, routing_key, body, properties(envelope, owner).with_delivery_mode(2)).await;
    }

    /// Publishes any message, by default as the owner of the exchange, and waits until the broker has it in a queue.
    pub async fn publish_raw(&self, exchange: &str, routing_key: &str, body: &[u8], properties: BasicProperties) {
        let options = BasicPublishOptions { mandatory: true, ..Default::default() };
        let owner = exchange.split_once('.').map_or(exchange, |(_, owner)| owner);
        let user = properties.user_id().clone().unwrap_or_else(|| owner.into());
        let properties = properties.with_user_id(user);
        let sent = self.channel.basic_publish(exchange.into(), routing_key.into(), options, body, properties).await;
        let confirm = sent.expect("the broker accepts it").await.expect("the broker confirms it");
        assert!(matches!(confirm, lapin::Confirmation::Ack(None)), "no queue takes {routing_key} from {exchange}");
    }

    /// Removes the virtual host.
    pub async fn remove(self) {
        self.stop.stop();
        let _ = self.connection.close(200, "bye".into()).await;
        // A busy broker refuses it while a queue of it does not respond.
        eventually("the virtual host is removed", async || {
            self.admin.delete(&format!("vhosts/{}", self.vhost)).await.map_err(|error| error.to_string())
        })
        .await;
    }
}

/// The user that publishes in place of services in tests: it may set any `user_id`.
const SENDER: &str = "kith-test-sender";

/// The address for that user. Creates it.
async fn sender_url(admin: &Admin, address: &str, vhost: &str) -> String {
    let user = json!({ "password": PASSWORD, "tags": "impersonator" });
    // Refused if another test creates it at the same moment; it exists then.
    let _ = admin.put(&format!("users/{SENDER}"), &user).await;
    let all = json!({ "configure": ".*", "write": ".*", "read": ".*" });
    admin.put(&format!("permissions/{vhost}/{SENDER}"), &all).await.expect("the test's sender may publish");
    let (scheme, place) = address.split_once("://").expect("an AMQP address has a scheme");
    let (_, place) = place.split_once('@').expect("an AMQP address has a user");
    format!("{scheme}://{SENDER}:{PASSWORD}@{place}/{vhost}")
}
