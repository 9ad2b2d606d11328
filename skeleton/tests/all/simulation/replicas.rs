//! The replicas of a run: each runs the production loops on its own ports.

use std::{
    collections::VecDeque,
    future::Future,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use skeleton::{
    ServiceContext,
    config::RetrySettings,
    messaging::{
        consumer::{self, Queue},
        delays::release_due,
        handlers::ByName,
        order::Orders,
        relay::Relay,
    },
    stop::{self, Stop, StopSender},
};

use super::{
    broker::{Broker, MemoryDeliveries, MemoryPublisher},
    memory::{Database, Memory, Tx},
    services::{self, Wish},
    time::{Run, locked},
    weather::{Life, Weather},
};

/// State that all replicas of a run share.
pub struct Town {
    pub run: Arc<Run>,
    pub weather: Arc<Weather>,
    pub broker: Arc<Broker>,
    pub contacts: Arc<Database>,
    pub network: Arc<Database>,
    pub wishes: Mutex<VecDeque<Wish>>,
    /// The number of deliveries after which a message is suspected.
    pub suspect_after: u32,
    pub prefetch: usize,
    pub batch: usize,
}

/// One life of a replica.
pub struct Replica {
    pub number: u64,
    doors: StopSender,
    relay: StopSender,
    behind_doors: Vec<Arc<AtomicBool>>,
    relaying: Arc<AtomicBool>,
}

struct Starting<'a> {
    town: &'a Arc<Town>,
    number: u64,
    life: Life,
    store: Memory,
    service: Arc<ServiceContext>,
    stop: Stop,
    parts: Vec<Arc<AtomicBool>>,
}

impl Replica {
    /// Starts a replica of `contacts`.
    pub fn of_contacts(town: &Arc<Town>, number: u64) -> Self {
        Self::start(town, &town.contacts, number, |starting| {
            let (jobs, _) = services::jobs();
            let listens = services::of_contacts();
            starting.consume("events", listens.handlers.clone(), listens.orders.clone());
            starting.consume("jobs", jobs, Orders::default());
            let (store, service, stop) = (starting.store.clone(), starting.service.clone(), starting.stop.clone());
            starting.part(release_due(store, service, stop));
            starting.fulfil_wishes();
        })
    }

    /// Starts a replica of `network`.
    pub fn of_network(town: &Arc<Town>, number: u64) -> Self {
        Self::start(town, &town.network, number, |starting| {
            let listens = services::of_network();
            starting.consume("events", listens.handlers.clone(), listens.orders.clone());
        })
    }

    fn start(
        town: &Arc<Town>,
        database: &Arc<Database>,
        number: u64,
        open_doors: impl FnOnce(&mut Starting<'_>),
    ) -> Self {
        let life = Life::of(&town.run, &town.weather, number);
        let store = Memory::connected(database, life.clone());
        let service = Arc::new(ServiceContext::new(database.service, life.environment.clone()));
        let (doors, stop) = stop::channel();
        let (relay, relay_stop) = stop::channel();
        town.run.note(format_args!("replica {number} of {} starts", database.service));
        let publisher = Arc::new(MemoryPublisher::new(&town.broker, life.clone()));
        let relaying = Relay::new(store.clone(), publisher, 8).in_environment(life.environment.clone());
        let relaying = town.run.spawn(Some(number), relaying.run(relay_stop));
        let mut starting = Starting { town, number, life, store, service, stop, parts: Vec::new() };
        open_doors(&mut starting);
        Self { number, doors, relay, behind_doors: starting.parts, relaying }
    }

    /// Stops it in order: first the consumers, then the relay. Returns whether it ended in time.
    pub async fn stop(self, town: &Town) -> bool {
        town.run.note(format_args!("replica {} is stopped", self.number));
        self.doors.stop();
        let all_ended = || self.behind_doors.iter().all(|part| part.load(Relaxed));
        if !town.waits_for(all_ended).await {
            return false;
        }
        self.relay.stop();
        town.waits_for(|| self.relaying.load(Relaxed)).await
    }
}

impl Starting<'_> {
    fn part(&mut self, work: impl Future<Output = ()> + Send + 'static) {
        self.parts.push(self.town.run.spawn(Some(self.number), work));
    }

    fn consume(&mut self, kind: &str, handlers: ByName<Tx>, orders: Orders) {
        let name = format!("{}.{kind}", self.service.name);
        let deliveries = MemoryDeliveries::new(&self.town.broker, self.life.clone(), &name, self.town.prefetch);
        let queue = Arc::new(Queue {
            name,
            store: self.store.clone(),
            handlers,
            orders,
            retry: RetrySettings {
                // More often than any message except poison fails in a run.
                waits_ms: vec![50; 15],
                jitter: 0.2,
                handler_timeout_ms: 3000,
                poll_ms: 1000,
                suspect_after: self.town.suspect_after,
            },
            service: self.service.clone(),
            park_all: false,
            serial: Arc::default(),
            progress: Arc::default(),
        });
        self.part(consumer::consume(queue.clone(), deliveries, self.town.batch, self.stop.clone()));
        self.part(consumer::retry_due(queue, self.stop.clone()));
    }

    fn fulfil_wishes(&mut self) {
        let (town, store, service, stop) =
            (self.town.clone(), self.store.clone(), self.service.clone(), self.stop.clone());
        self.part(async move {
            while !stop.is_stopped() {
                let Some(wish) = locked(&town.wishes).pop_front() else { return };
                // On an error the caller does not retry: the ledger knows what was committed.
                let _ = wish.fulfil(&store, &service).await;
                let pause = Duration::from_millis(town.run.draw(400));
                service.environment.sleep(pause).await;
            }
        });
    }
}

impl Town {
    /// Waits for a condition, at most half a minute.
    async fn waits_for(&self, is_so: impl Fn() -> bool) -> bool {
        for _ in 0..600 {
            if is_so() {
                return true;
            }
            self.sleep(50).await;
        }
        false
    }

    /// Sleeps for this many milliseconds.
    pub async fn sleep(&self, millis: u64) {
        self.run.environment().sleep(Duration::from_millis(millis)).await;
    }
}
