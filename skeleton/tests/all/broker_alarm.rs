//! An alarm of the broker, which it raises when its memory or disk runs low: it reads nothing from connections that publish.

use std::time::Duration;

use contacts_events::ContactRemoved;
use events::Message;
use skeleton::{
    messaging::{
        Deliveries,
        rabbit::{RabbitDeliveries, RabbitPublisher},
    },
    store::{Outcome, Outgoing, Publisher},
    telemetry::metrics_text,
    testing::{World, eventually},
};
use uuid::Uuid;

use crate::{
    relaying::subscribes,
    unresponsive::{MANY, connected, connections, evaluate, outgoing},
};

/// No other test of this process may change the metric.
const NAME: &str = "publishing in an alarm";

/// An alarm of the broker, as the connections of one virtual host see it, until this is dropped.
struct Alarmed(String);

impl Alarmed {
    fn raise(world: &World) -> Self {
        Self::tell(world.vhost(), true);
        Self(world.vhost().to_owned())
    }

    /// What the broker tells each of its connections when its memory runs low.
    fn tell(vhost: &str, is_raised: bool) {
        evaluate(&format!(
            "[Pid ! {{conserve_resources, memory, {is_raised}}} || Pid <- rabbit_networking:local_connections(), \
             (catch rabbit_reader:info(Pid, [vhost])) =:= [{{vhost, <<\"{vhost}\">>}}]]."
        ));
    }
}

impl Drop for Alarmed {
    fn drop(&mut self) {
        Self::tell(&self.0, false);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alarm_of_the_broker_is_waited_out_and_no_message_is_sent_twice() {
    let world = World::new().await;
    subscribes(&world, "contacts", &[]).await;
    subscribes(&world, "network", &[ContactRemoved::KEY]).await;
    let name = format!("contacts {NAME}");
    let link = world.link("contacts", NAME);
    let publisher = RabbitPublisher::new(link, Duration::from_secs(1));
    let event = || ContactRemoved { contact_id: Uuid::new_v4(), ..contacts_events::samples::contact_removed() };
    assert_eq!(publisher.publish(vec![outgoing(&world, &event())]).await, [Outcome::Confirmed]);
    let before = connected(&world, &name).await;
    let window: Vec<Outgoing> = (0..MANY).map(|_| outgoing(&world, &event())).collect();

    let alarmed = Alarmed::raise(&world);
    let mut publishing = tokio::spawn(async move { publisher.publish(window).await });
    eventually("the connection is blocked", async || {
        match metrics_text().contains(&format!("broker_blocked{{connection=\"{name}\"}} 1")) {
            true => Ok(()),
            false => Err("it is not".to_owned()),
        }
    })
    .await;
    // Several times the limit for a confirm.
    let ended = tokio::time::timeout(Duration::from_secs(4), &mut publishing).await;
    assert!(ended.is_err(), "the messages count as unconfirmed: {ended:?}");
    drop(alarmed);

    assert_eq!(publishing.await.unwrap(), vec![Outcome::Confirmed; MANY]);
    assert_eq!(connections(&world, &name).await, before, "the connection was replaced");
    let mut arrived = RabbitDeliveries::new(world.link("network", "consuming"), "network.events".to_owned(), 200);
    let mut count = 0;
    while count < MANY + 1 {
        for message in arrived.next(MANY).await {
            arrived.acknowledge_through(&message).await;
            count += 1;
        }
    }
    let more = tokio::time::timeout(Duration::from_secs(1), arrived.next(MANY)).await;
    assert!(more.is_err() && count == MANY + 1, "a message was sent twice");
    world.remove().await;
}
