//! A service that runs in the test's own process.

use std::time::Duration;

use chrono::TimeDelta;
use events::{Envelope, Event, Request};
use tokio::{sync::broadcast, time::Instant};
use uuid::Uuid;

use super::{Neighbour, Provisioned, TIMEOUT, TestStore, World, broker_password, eventually, spy::Spy};
use crate::{
    config::{BrokerSettings, Settings},
    failure::Problem,
    messaging::{
        handlers::RequestHandlers,
        requests::{RequestOptions, Requests},
        topology::TopologySpec,
    },
    service::{App, Running, Service, StartError},
    store::{Counts, Ending, Filter, SetAside, State, Store},
};

/// A service that runs in the test's own process, in its own world.
pub struct TestApp<S: TestStore> {
    running: Running<S>,
    world: World,
    spy: Spy,
    requests: Requests,
    provisioned: Provisioned,
    pub(super) settings: Settings,
    parked_is_expected: std::sync::atomic::AtomicBool,
}

impl World {
    /// Starts a service in this world. Settings are section, key and value.
    pub async fn start<S: TestStore>(self, service: Service<S>, settings: &[(&str, &str, &str)]) -> TestApp<S> {
        TestApp::start_in(self, service, settings).await
    }
}

impl<S: TestStore> TestApp<S> {
    /// Starts a service in a new world. Settings are section, key and value; a list is `[1, 2]`.
    pub async fn start(service: Service<S>, settings: &[(&str, &str, &str)]) -> Self {
        World::new().await.start(service, settings).await
    }

    async fn start_in(world: World, service: Service<S>, overrides: &[(&str, &str, &str)]) -> Self {
        let prepared = prepare(&world, &service, overrides).await;
        Self::start_prepared(world, service, prepared).await
    }

    pub(super) async fn start_prepared(world: World, service: Service<S>, prepared: Prepared) -> Self {
        let name = service.name();
        let Prepared { provisioned, settings, topology_spec } = prepared;
        let spy = world.spy_on(name).await;
        let caller = topology_spec.callers.first().cloned().unwrap_or_else(|| "tester".to_owned());
        let requests = world.requests_of(&caller, &[name]).await;
        let starting = service.start(settings.clone(), world.environment.clone());
        let running = starting.await.unwrap_or_else(|error| panic!("{name}: {error}"));
        Self { running, world, spy, requests, provisioned, settings, parked_is_expected: false.into() }
    }

    /// Prepares another service in this world, with its own store. It does not run yet; messages to it wait in its
    /// queues.
    pub async fn neighbour<O: TestStore>(&self, service: &Service<O>, settings: &[(&str, &str, &str)]) -> Neighbour<O> {
        let Prepared { provisioned, settings, .. } = prepare(&self.world, service, settings).await;
        Neighbour::new(provisioned, settings, self.world.environment.clone())
    }

    /// Starts another replica of the service, possibly another version, on the same queues and store.
    pub async fn replica(&self, service: Service<S>) -> Running<S> {
        let name = service.name();
        self.try_replica(service, &[]).await.unwrap_or_else(|error| panic!("a replica of {name}: {error}"))
    }

    /// Like [`TestApp::replica`], with overrides of the settings.
    ///
    /// # Errors
    /// Why it does not start.
    pub async fn try_replica(
        &self,
        service: Service<S>,
        overrides: &[(&str, &str, &str)],
    ) -> Result<Running<S>, StartError> {
        let settings = with(self.settings.clone(), overrides);
        service.start(settings, self.world.environment.clone()).await
    }

    /// Applies the topology that a service needs under these settings, as an administrator would.
    pub async fn apply_topology(&self, service: Service<S>, overrides: &[(&str, &str, &str)]) {
        let settings = with(self.settings.clone(), overrides);
        apply_topology(&self.world, &service, &settings).await;
    }

    /// The queues on the broker.
    pub async fn queues(&self) -> Vec<String> {
        let path = format!("queues/{}?columns=name", self.world.vhost);
        let queues = self.world.admin.get(&path).await.expect("the broker lists its queues");
        queues.as_array().into_iter().flatten().filter_map(|queue| Some(queue["name"].as_str()?.to_owned())).collect()
    }

    /// Advances time at once: moves the world's clock forward, and shortens the waits in the store by the same amount.
    /// Delayed jobs, timeouts of sagas, schedules and retries follow; leases, limits of partners and timeouts of
    /// connections do not. First wait for everything in progress that reads the clock.
    ///
    /// # Panics
    /// If the world has no clock to move: create it with [`World::in_time_of`].
    pub async fn advance(&self, by: TimeDelta) {
        let clock = self.world.clock.as_ref().expect("the world was made with World::in_time_of");
        let App { store, service, .. } = &self.running.app;
        store.let_pass(by).await;
        clock.jump(by);
        service.delays.notify_one();
    }

    /// The settings it runs with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The environment variables that give another process the same broker and store.
    pub fn variables(&self) -> Vec<(String, String)> {
        let service = self.settings.service().to_uppercase();
        let mut variables = Vec::new();
        for section in ["broker", "store"] {
            let keys: std::collections::BTreeMap<String, serde_json::Value> =
                self.settings.section(section).expect("a section is a table");
            for (key, value) in keys {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                variables.push((format!("{service}__{}__{}", section.to_uppercase(), key.to_uppercase()), text));
            }
        }
        variables
    }

    /// The world it runs in.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// The context of its parts.
    pub fn parts(&self) -> &App<S> {
        &self.running.app
    }

    /// The running service.
    pub fn running(&self) -> &Running<S> {
        &self.running
    }

    /// `http://host:port` of its public port.
    pub fn http_url(&self) -> String {
        let address = self.running.http_address.expect("the service has a public port");
        format!("http://{address}")
    }

    /// `http://host:port` of its admin port.
    pub fn admin_url(&self) -> String {
        format!("http://{}", self.running.admin_address)
    }

    /// Publishes an event as its owner would, and waits until the service has handled it or set it aside.
    pub async fn receives<E: Event>(&self, event: &E) -> Ending {
        let envelope = self.world.envelope_for(event);
        self.receives_in(event, &envelope).await
    }

    /// The same with a given sequence.
    pub async fn receives_as<E: Event>(&self, event: &E, sequence: i64) -> Ending {
        let envelope = Envelope { sequence: Some(sequence), ..self.world.envelope_for(event) };
        self.receives_in(event, &envelope).await
    }

    /// The same with a given envelope: the same envelope again is the same message again.
    pub async fn receives_in<E: Event>(&self, event: &E, envelope: &Envelope) -> Ending {
        let mut endings = self.running.app.service.endings();
        self.world.publish(event, envelope).await;
        ending_of(&mut endings, envelope.id).await
    }

    /// Answers requests of this service in place of another one, until the end of the test.
    pub async fn answered_by(&self, other: &'static str, answers: RequestHandlers<S>) {
        let app = &self.running.app;
        self.world.answer(other, &app.service.name, answers, app.store.clone()).await;
    }

    /// Sends the service a request as one of its callers would.
    ///
    /// # Errors
    /// The problem it answers with.
    pub async fn call<R: Request>(&self, request: &R) -> Result<R::Reply, Problem> {
        self.requests.call(request, RequestOptions::default()).await
    }

    /// The same on an account's behalf, or under a given id.
    ///
    /// # Errors
    /// The problem it answers with.
    pub async fn call_with<R: Request>(&self, request: &R, asking: RequestOptions) -> Result<R::Reply, Problem> {
        self.requests.call(request, asking).await
    }

    /// Waits until the service has published a matching event, and asserts that there is only one.
    pub async fn published_once<E: Event>(&self, is_it: impl Fn(&E) -> bool) -> E {
        let (_, event) = self.published_once_in::<E>(is_it).await;
        event
    }

    /// The same, with the envelope.
    pub async fn published_once_in<E: Event>(&self, is_it: impl Fn(&E) -> bool) -> (Envelope, E) {
        let found = || self.spy.seen::<E>().into_iter().filter(|(_, event)| is_it(event)).collect::<Vec<_>>();
        eventually(&format!("one {} like this", E::NAME), async || match found().is_empty() {
            true => Err(format!("{:?}", self.spy.names())),
            false => Ok(()),
        })
        .await;
        self.sent_everything().await;
        let mut events = found();
        assert_eq!(events.len(), 1, "one {} like this was expected, not {}", E::NAME, events.len());
        events.remove(0)
    }

    /// All events of one type that the service has published, once its outbox is empty.
    pub async fn published<E: Event>(&self) -> Vec<E> {
        self.sent_everything().await;
        self.spy.seen::<E>().into_iter().map(|(_, event)| event).collect()
    }

    /// The same, with the envelopes.
    pub async fn published_in<E: Event>(&self) -> Vec<(Envelope, E)> {
        self.sent_everything().await;
        self.spy.seen::<E>()
    }

    /// Waits until the outbox is empty and its messages have reached the spy.
    pub async fn sent_everything(&self) {
        eventually("an empty outbox", async || match self.counts().await {
            Counts { outbox: 0, .. } => Ok(()),
            counts => Err(format!("{counts:?}")),
        })
        .await;
        // A confirm proves that the broker has the message, not that the spy has it. Both use one connection, in order.
        let marker = self.spy.names().len();
        let deadline = Instant::now() + Duration::from_millis(100);
        while Instant::now() < deadline && self.spy.names().len() == marker {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// How many messages wait, by kind.
    pub async fn counts(&self) -> Counts {
        self.running.app.store.counts().await.expect("the store counts")
    }

    /// All parked messages. From here on, parked messages do not fail the test.
    pub async fn parked(&self) -> Vec<SetAside> {
        self.parked_is_expected.store(true, std::sync::atomic::Ordering::Relaxed);
        let filter = Filter { state: Some(State::Parked), ..Filter::default() };
        self.running.app.store.list_set_aside(&filter, 1000).await.expect("the store lists what is parked")
    }

    /// Ends the test: asserts that everything is sent, nothing waits, and nothing is parked unexpectedly.
    pub async fn finish(self) {
        self.sent_everything().await;
        let counts = self.counts().await;
        if !self.parked_is_expected.load(std::sync::atomic::Ordering::Relaxed) {
            let parked = self.parked().await;
            let reasons: Vec<_> = parked.iter().map(|message| (&message.name, &message.reason)).collect();
            assert!(parked.is_empty(), "messages are parked: {reasons:?}");
        }
        assert_eq!(counts.waiting, 0, "messages wait for another attempt");
        assert_eq!(counts.behind, 0, "messages wait for their predecessor");
        self.stop().await;
    }

    /// Stops the service and removes its world, without assertions.
    pub async fn stop(self) {
        assert!(self.running.stop().await, "the service did not stop in time");
        S::remove(self.provisioned).await;
        self.world.remove().await;
    }
}

/// What a service needs in a world before it starts: its own store, its settings, its topology.
pub(super) struct Prepared {
    pub(super) provisioned: Provisioned,
    pub(super) settings: Settings,
    pub(super) topology_spec: TopologySpec,
}

/// Prepares what a service needs before it starts.
pub(super) async fn prepare<S: TestStore>(
    world: &World,
    service: &Service<S>,
    overrides: &[(&str, &str, &str)],
) -> Prepared {
    let name = service.name();
    let provisioned = S::provision(&format!("{}-{name}", world.vhost)).await;
    let mut settings =
        Settings::read_with(name, service.defaults(), Default::default()).expect("the defaults can be read");
    settings.set("broker", "url", world.amqp_url(name));
    settings.set("broker", "password", broker_password(name));
    settings.set("broker", "reconnect_max_ms", 500);
    settings.set("retry", "poll_ms", 50);
    settings.set("http", "address", "127.0.0.1:0");
    settings.set("admin", "address", "127.0.0.1:0");
    for (key, value) in &provisioned.settings {
        settings.set("store", key, value.as_str());
    }
    let mut settings = with(settings, overrides);
    if !service.has_http() {
        settings.forget("http");
    }
    let topology_spec = apply_topology(world, service, &settings).await;
    Prepared { provisioned, settings, topology_spec }
}

/// Overrides settings: section, key and value; a list is `[1, 2]`.
fn with(mut settings: Settings, overrides: &[(&str, &str, &str)]) -> Settings {
    for (section, key, value) in overrides {
        settings.set(section, key, *value);
    }
    settings
}

async fn apply_topology<S: Store>(world: &World, service: &Service<S>, settings: &Settings) -> TopologySpec {
    let broker: BrokerSettings = settings.section("broker").expect("the settings of the broker are valid");
    let topology_spec = service.topology_spec(broker.partitions);
    let applied = world.admin.apply(&topology_spec.topology(), &broker_password(service.name())).await;
    applied.expect("the service's topology can be applied");
    topology_spec
}

/// Waits until a message's handling has ended.
async fn ending_of(endings: &mut broadcast::Receiver<Ending>, message: Uuid) -> Ending {
    let waiting = async {
        loop {
            match endings.recv().await {
                Ok(ending) if ending.message == message => return ending,
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => panic!("the service has ended"),
            }
        }
    };
    tokio::time::timeout(TIMEOUT, waiting)
        .await
        .unwrap_or_else(|_| panic!("the message was not handled within {} s", TIMEOUT.as_secs()))
}
