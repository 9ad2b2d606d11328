//! Publishing with confirms and consuming with acknowledgements: the skeleton beside the bare library.

use std::time::{Duration, Instant};

use accounts_events::Registered;
use anyhow::{Result, ensure};
use events::Message;
use lapin::{BasicProperties, Channel};
use skeleton::{
    Environment, HandlerResult, Service, Subscriptions,
    messaging::{
        Deliveries, Outcome, Outgoing, Publisher,
        rabbit::{Link, Login, RabbitDeliveries, RabbitPublisher},
    },
    stop,
    store::Transaction,
    testing::{World, broker_password},
};

use super::{
    Size,
    bare::{self, BATCH, Sample, WINDOW},
    counter::Counter,
    null_store::{NullStore, NullTx},
    report::{Aim, Finding, Report},
};
use crate::usage::Usage;

const OURS: &str = "bench.ours";
const BARE: &str = "bench.bare";

/// Measures both directions, and the consumer's whole loop with a handler that does nothing.
pub async fn measure(size: Size, report: &mut Report) -> Result<()> {
    let mut publishing = finding("publish, 256 confirms open", Aim::RatioAtLeast(0.9));
    let mut consuming = finding("consume, acknowledged by 64", Aim::RatioAtLeast(0.9));
    let mut handling = finding("the same through the whole consumer to an empty handler", Aim::None);
    let samples = bare::samples(size.choose(4096, 512));
    let turns = size.choose(12, 2);
    let world = World::new().await;
    let connection = bare::connect(&world).await?;
    for queue in [OURS, BARE] {
        bare::quorum_queue(&connection.create_channel().await?, queue).await?;
    }
    let (stopper, stop) = stop::channel();
    let link = Link::open(Login::new(&bare::broker(&world))?, "bench".to_owned(), Environment::system(), stop);
    let publisher = RabbitPublisher::new(link.clone(), Duration::from_secs(5));
    let channel = bare::confirmed_channel(&connection).await?;
    // Both take short turns, so that both run under the same conditions; the first turn warms up.
    for turn in 0..=turns {
        let began = Usage::of_ourselves()?;
        let baseline = publish_bare(&channel, &samples).await?;
        let between = Usage::of_ourselves()?;
        let ours = publish(&publisher, &samples).await?;
        if turn > 0 {
            publishing.add(ours, baseline);
            publishing.add_turns([began, between, Usage::of_ourselves()?], samples.len());
        }
    }
    let mut consumer = bare::consumer(&connection, BARE).await?;
    let mut deliveries = RabbitDeliveries::new(link, OURS, WINDOW);
    for turn in 0..=turns {
        let began = Usage::of_ourselves()?;
        let baseline = bare::consume(&mut consumer, samples.len()).await?;
        let between = Usage::of_ourselves()?;
        let ours = consume(&mut deliveries, samples.len()).await;
        if turn > 0 {
            consuming.add(ours, baseline);
            consuming.add_turns([began, between, Usage::of_ourselves()?], samples.len());
        }
    }
    deliveries.close().await;
    stopper.stop();
    connection.close(200, "bye".into()).await?;
    world.remove().await;
    for _ in 0..size.choose(5, 1) {
        handle(&mut handling, &bare::samples(size.choose(10_000, 500))).await?;
    }
    report.findings.extend([publishing, consuming, handling]);
    Ok(())
}

fn finding(what: &str, aim: Aim) -> Finding {
    Finding::new("publish-consume", what, "messages/s", aim)
}

async fn publish_bare(channel: &Channel, samples: &[Sample]) -> Result<f64> {
    let messages: Vec<(BasicProperties, Vec<u8>)> =
        samples.iter().map(|sample| (bare::properties(sample), sample.body.clone())).collect();
    bare::publish(channel, "", BARE, messages).await
}

/// Publishes like the relay, one window at a time.
async fn publish(publisher: &RabbitPublisher, samples: &[Sample]) -> Result<f64> {
    let windows: Vec<Vec<Outgoing>> = samples
        .chunks(usize::from(WINDOW))
        .map(|window| window.iter().map(|sample| outgoing(sample, OURS)).collect())
        .collect();
    let began = Instant::now();
    for window in windows {
        let outcomes = publisher.publish(window).await;
        ensure!(outcomes.iter().all(|outcome| *outcome == Outcome::Confirmed), "a message was not confirmed");
    }
    Ok(samples.len() as f64 / began.elapsed().as_secs_f64())
}

fn outgoing(sample: &Sample, queue: &str) -> Outgoing {
    let Sample { envelope, body } = sample.clone();
    Outgoing { exchange: String::new(), routing_key: queue.to_owned(), envelope, body: body.into() }
}

async fn consume(deliveries: &mut RabbitDeliveries, count: usize) -> f64 {
    let began = Instant::now();
    let mut seen = 0;
    while seen < count {
        let messages = deliveries.next(BATCH.min(count - seen)).await;
        if let Some(last) = messages.last() {
            deliveries.acknowledge_through(last).await;
        }
        seen += messages.len();
    }
    count as f64 / began.elapsed().as_secs_f64()
}

/// A service with a null store processes a backlog, after the bare library has processed the same.
async fn handle(handling: &mut Finding, samples: &[Sample]) -> Result<()> {
    let counter = Counter::of(samples.len());
    let service = Service::named("contacts")
        .read_model_store(NullStore)
        .consumes(Subscriptions::new().on(on_registered))
        .with(counter.clone());
    let world = World::new().await;
    world.admin().apply(&service.topology_spec(1).topology(), &broker_password(service.name())).await?;
    let connection = bare::connect(&world).await?;
    bare::quorum_queue(&connection.create_channel().await?, BARE).await?;
    bare::seed(&connection, "", BARE, samples).await?;
    bare::seed(&connection, "events.accounts", Registered::KEY, samples).await?;
    let baseline = bare::consume(&mut bare::consumer(&connection, BARE).await?, samples.len()).await?;
    let app = world.start(service, &[]).await;
    handling.add(counter.rate().await, baseline);
    connection.close(200, "bye".into()).await?;
    app.stop().await;
    Ok(())
}

async fn on_registered(_: Registered, tx: &mut NullTx) -> HandlerResult {
    tx.unit_of_work().service().get::<Counter>().count();
    Ok(())
}
