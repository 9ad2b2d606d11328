//! What tests of the relay share.

use std::{sync::Arc, time::Duration};

use skeleton::{
    Postgres,
    messaging::{handlers::Binding, relay::Relay, topology::TopologySpec},
    stop::{StopSender, channel},
    store::{Publisher, Store},
    testing::{TestApp, World, broker_password, eventually},
};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::{conformance::bench::Bench, probe};

/// The window of the relay.
pub const WINDOW: usize = 256;

/// A relay that publishes the outbox of a Postgres.
pub struct Relaying {
    pub world: World,
    pub bench: Bench<Postgres>,
    stop: StopSender,
    relay: JoinHandle<()>,
}

impl Relaying {
    pub fn start(world: World, bench: Bench<Postgres>, publisher: impl Publisher + 'static) -> Self {
        let (stop, stopped) = channel();
        let relay = Relay::new(bench.store.clone(), Arc::new(publisher), WINDOW as i64);
        Self { world, bench, stop, relay: tokio::spawn(relay.run(stopped)) }
    }

    pub async fn has_sent_everything(&self) {
        eventually("the outbox is empty", async || match self.bench.store.counts().await.unwrap().outbox {
            0 => Ok(()),
            seen => Err(format!("{seen} messages, {} postponed", self.postponed().await)),
        })
        .await;
    }

    /// The number of postponed messages.
    pub async fn postponed(&self) -> i64 {
        let sql = "select count(*) from skeleton.outbox where postponed_at is not null";
        self.bench.store.query(sql, &[]).await.unwrap()[0].get(0)
    }

    pub async fn end(self) {
        self.stop.stop();
        self.relay.await.unwrap();
        self.bench.done().await;
        self.world.remove().await;
    }
}

/// Applies the topology of a service that consumes these events of contacts.
pub async fn subscribes(world: &World, service: &str, keys: &[&str]) {
    let binding = |key: &&str| Binding { exchange: "events.contacts".to_owned(), routing_key: (*key).to_owned() };
    let events = keys.iter().map(binding).collect();
    let topology_spec = TopologySpec { service: service.to_owned(), events, ..TopologySpec::default() };
    world.admin().apply(&topology_spec.topology(), &broker_password(service)).await.unwrap();
}

/// Applies the probe's topology, and waits until these jobs are done, in their order.
pub async fn are_done_once_the_topology_is_applied(app: &TestApp<Postgres>, jobs: &[Uuid]) {
    let mut endings = app.parts().service.endings();
    let topology = probe::service().topology_spec(1).topology();
    app.world().admin().apply(&topology, &broker_password("contacts")).await.unwrap();
    let mut handled = Vec::new();
    while handled.len() < jobs.len() {
        let ending = tokio::time::timeout(Duration::from_secs(30), endings.recv()).await.unwrap().unwrap();
        assert_eq!(ending.outcome, "done");
        handled.push(ending.message);
    }
    assert_eq!(handled, jobs);
}
