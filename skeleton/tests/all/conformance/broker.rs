//! A broker delivers each message to every bound queue, and again until it is acknowledged.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use contacts_events::ContactRemoved;
use events::{Envelope, Message};
use skeleton::{
    Environment,
    messaging::{
        Deliveries, Incoming, Outcome, Outgoing, Publisher,
        handlers::Binding,
        rabbit::{RabbitDeliveries, RabbitPublisher},
        topology::TopologySpec,
    },
    testing::{World, broker_password},
};
use uuid::Uuid;

use crate::simulation::{Broker, Ledger, Life, MemoryDeliveries, MemoryPublisher};

/// A broker on which `contacts` publishes and `network` and `search` subscribe.
trait Wire: Sized {
    type Publisher: Publisher;
    type Deliveries: Deliveries;

    async fn new() -> Self;
    fn publisher(&self) -> Self::Publisher;
    fn deliveries(&self, service: &str, prefetch: u16) -> Self::Deliveries;
    async fn done(self);
}

fn bindings() -> Vec<Binding> {
    vec![Binding { exchange: "events.contacts".to_owned(), routing_key: ContactRemoved::KEY.to_owned() }]
}

struct Rabbit(World);

impl Wire for Rabbit {
    type Publisher = RabbitPublisher;
    type Deliveries = RabbitDeliveries;

    async fn new() -> Self {
        let world = World::new().await;
        for (service, events) in [("contacts", vec![]), ("network", bindings()), ("search", bindings())] {
            let topology_spec = TopologySpec { service: service.to_owned(), events, ..TopologySpec::default() };
            world.admin().apply(&topology_spec.topology(), &broker_password(service)).await.unwrap();
        }
        Self(world)
    }

    fn publisher(&self) -> Self::Publisher {
        RabbitPublisher::new(self.0.link("contacts", "publishing"), Duration::from_secs(10))
    }

    fn deliveries(&self, service: &str, prefetch: u16) -> Self::Deliveries {
        RabbitDeliveries::new(self.0.link(service, "consuming"), format!("{service}.events"), prefetch)
    }

    async fn done(self) {
        self.0.remove().await;
    }
}

struct InMemory(Arc<Broker>);

impl Wire for InMemory {
    type Publisher = MemoryPublisher;
    type Deliveries = MemoryDeliveries;

    async fn new() -> Self {
        let broker = Broker::new(&Arc::new(Ledger::default()));
        broker.bind("network.events", &bindings());
        broker.bind("search.events", &bindings());
        Self(broker)
    }

    fn publisher(&self) -> Self::Publisher {
        MemoryPublisher::new(&self.0, Life::quiet())
    }

    fn deliveries(&self, service: &str, prefetch: u16) -> Self::Deliveries {
        MemoryDeliveries::new(&self.0, Life::quiet(), &format!("{service}.events"), prefetch.into())
    }

    async fn done(self) {}
}

macro_rules! on_each_broker {
    ($($case:ident)*) => {
        mod memory {
            $(#[tokio::test] async fn $case() { super::$case::<super::InMemory>().await; })*
        }
        mod rabbit {
            $(#[tokio::test] async fn $case() { super::$case::<super::Rabbit>().await; })*
        }
    };
}

on_each_broker! {
    what_is_confirmed_is_in_every_queue_that_wants_it
    what_no_queue_wants_is_told_apart
    what_is_not_acknowledged_comes_again_and_is_counted
    an_acknowledgement_is_for_all_up_to_it
    no_more_is_in_hand_than_may_be
}

/// A message that carries a number.
fn numbered(number: i64) -> Outgoing {
    let environment = Environment::system();
    let event = ContactRemoved { contact_id: Uuid::nil(), ..contacts_events::samples::contact_removed() };
    let envelope = Envelope {
        id: environment.new_message_id(),
        name: ContactRemoved::NAME.to_owned(),
        source: "/contacts".to_owned(),
        time: environment.now(),
        subject: event.subject(),
        sequence: Some(number),
        trace: None,
        correlation_id: None,
        causation_id: None,
        actor: None,
        deadline: None,
    };
    let body = Bytes::from(serde_json::to_vec(&event).unwrap());
    Outgoing { exchange: "events.contacts".to_owned(), routing_key: ContactRemoved::KEY.to_owned(), envelope, body }
}

/// The next `many` messages.
async fn next(deliveries: &mut impl Deliveries, many: usize) -> Vec<Incoming> {
    let mut messages = Vec::new();
    while messages.len() < many {
        let more = tokio::time::timeout(Duration::from_secs(20), deliveries.next(many - messages.len())).await;
        messages.extend(more.expect("more messages arrive"));
    }
    messages
}

/// The numbers of the messages, and how often each was delivered before.
fn told(messages: &[Incoming]) -> Vec<(i64, u32)> {
    let number = |message: &Incoming| message.envelope.as_ref().unwrap().sequence.unwrap();
    messages.iter().map(|message| (number(message), message.deliveries_before)).collect()
}

async fn publish(wire: &impl Wire, many: i64) {
    let outcomes = wire.publisher().publish((1..=many).map(numbered).collect()).await;
    assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Confirmed), "{outcomes:?}");
}

async fn what_is_confirmed_is_in_every_queue_that_wants_it<W: Wire>() {
    let wire = W::new().await;

    publish(&wire, 3).await;

    for service in ["network", "search"] {
        let mut deliveries = wire.deliveries(service, 10);
        let messages = next(&mut deliveries, 3).await;
        assert_eq!(told(&messages), [(1, 0), (2, 0), (3, 0)]);
        deliveries.acknowledge_through(&messages[2]).await;
        deliveries.close().await;
    }
    wire.done().await;
}

async fn what_no_queue_wants_is_told_apart<W: Wire>() {
    let wire = W::new().await;
    let unwanted = Outgoing { exchange: "jobs.contacts".to_owned(), ..numbered(2) };

    let outcomes = wire.publisher().publish(vec![numbered(1), unwanted, numbered(3)]).await;

    assert_eq!(outcomes, [Outcome::Confirmed, Outcome::Unroutable, Outcome::Confirmed]);
    wire.done().await;
}

async fn what_is_not_acknowledged_comes_again_and_is_counted<W: Wire>() {
    let wire = W::new().await;
    publish(&wire, 4).await;
    let mut first = wire.deliveries("network", 3);
    let messages = next(&mut first, 3).await;
    first.acknowledge_through(&messages[0]).await;

    first.close().await;
    // Over a lost channel, an acknowledgement has no effect.
    first.acknowledge_through(&messages[2]).await;

    let mut second = wire.deliveries("network", 10);
    let again = next(&mut second, 3).await;
    // RabbitMQ does not guarantee the order.
    let mut told = told(&again);
    told.sort_unstable();
    assert_eq!(told[..2], [(2, 1), (3, 1)]);
    second.close().await;
    wire.done().await;
}

async fn an_acknowledgement_is_for_all_up_to_it<W: Wire>() {
    let wire = W::new().await;
    publish(&wire, 4).await;
    let mut first = wire.deliveries("network", 10);
    let messages = next(&mut first, 4).await;

    first.acknowledge_through(&messages[2]).await;
    first.close().await;

    let mut second = wire.deliveries("network", 10);
    assert_eq!(told(&next(&mut second, 1).await), [(4, 1)]);
    second.close().await;
    wire.done().await;
}

async fn no_more_is_in_hand_than_may_be<W: Wire>() {
    let wire = W::new().await;
    publish(&wire, 3).await;
    let (mut first, mut second) = (wire.deliveries("network", 2), wire.deliveries("network", 2));

    let in_hand = next(&mut first, 2).await;
    let left = next(&mut second, 1).await;

    assert_eq!((told(&in_hand), told(&left)), (vec![(1, 0), (2, 0)], vec![(3, 0)]));
    first.close().await;
    second.close().await;
    wire.done().await;
}
