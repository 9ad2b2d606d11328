//! What tests of the relay share.

use std::time::Duration;

use skeleton::{
    Postgres,
    messaging::{handlers::Binding, topology::TopologySpec},
    testing::{TestApp, World, broker_password},
};
use uuid::Uuid;

use crate::probe;

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
