//! Publishing with confirms, and consuming with acknowledgements: the skeleton's way beside the bare library's.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use events::{Message, accounts::Registered};
use lapin::{BasicProperties, Connection};
use skeleton::{
    Handled, Service, Subscriptions, Surroundings,
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

const OURS: &str = "bench.ours";
const BARE: &str = "bench.bare";
const WARM_UP: &str = "bench.warm-up";

/// Measures both directions, and the consumer's whole loop with a handler that does nothing.
pub async fn measure(size: Size, report: &mut Report) -> Result<()> {
    let (rounds, count) = (size.choose(5, 2), size.choose(20_000, 1000));
    let finding = |what: &str, aim| Finding {
        row: "publish-consume",
        what: what.to_owned(),
        unit: "messages/s",
        ours: Vec::new(),
        baseline: Vec::new(),
        aim,
    };
    let mut publishing = finding("publish, 256 confirms open", Aim::RatioAtLeast(0.9));
    let mut consuming = finding("consume, acknowledged by 64", Aim::RatioAtLeast(0.9));
    let mut handling = finding("the same through the whole consumer to an empty handler", Aim::None);
    for _ in 0..rounds {
        let samples = bare::samples(count);
        let world = World::new().await;
        let connection = bare::connect(&world).await?;
        let channel = connection.create_channel().await?;
        for queue in [OURS, BARE, WARM_UP] {
            bare::quorum_queue(&channel, queue).await?;
        }
        let (stopper, stop) = stop::channel();
        let link = Link::open(Login::new(&bare::broker(&world))?, "bench".to_owned(), Surroundings::system(), stop);
        publishing.baseline.push(publish_bare(&connection, &samples).await?);
        publishing.ours.push(publish(&link, &samples).await?);
        let rate = bare::consume(&connection, BARE, count).await?;
        consuming.baseline.push(rate);
        consuming.ours.push(consume(&link, count).await);
        handling.baseline.push(rate);
        handling.ours.push(handle(world, &connection, &samples).await?);
        stopper.stop();
    }
    report.findings.extend([publishing, consuming, handling]);
    Ok(())
}

async fn publish_bare(connection: &Connection, samples: &[Sample]) -> Result<f64> {
    let messages: Vec<(BasicProperties, Vec<u8>)> =
        samples.iter().map(|sample| (bare::properties(sample), sample.body.clone())).collect();
    bare::publish(connection, "", BARE, messages).await
}

/// As the relay does it: window after window.
async fn publish(link: &Link, samples: &[Sample]) -> Result<f64> {
    let publisher = RabbitPublisher::new(link.clone(), Duration::from_secs(5));
    publisher.publish(vec![outgoing(&samples[0], WARM_UP)]).await;
    let windows: Vec<Vec<Outgoing>> = samples
        .chunks(usize::from(WINDOW))
        .map(|window| window.iter().map(|sample| outgoing(sample, OURS)).collect())
        .collect();
    let began = Instant::now();
    for window in windows {
        let outcomes = publisher.publish(window).await;
        ensure!(outcomes.iter().all(|outcome| *outcome == Outcome::Confirmed), "a message was not taken");
    }
    Ok(samples.len() as f64 / began.elapsed().as_secs_f64())
}

fn outgoing(sample: &Sample, queue: &str) -> Outgoing {
    let Sample { envelope, body } = sample.clone();
    Outgoing { exchange: String::new(), routing_key: queue.to_owned(), envelope, body: body.into() }
}

async fn consume(link: &Link, count: usize) -> f64 {
    let mut deliveries = RabbitDeliveries::new(link.clone(), OURS, WINDOW);
    let mut messages = deliveries.next(BATCH).await;
    let began = Instant::now();
    let mut seen = 0;
    while let Some(last) = messages.last() {
        deliveries.acknowledge_through(last).await;
        seen += messages.len();
        if seen >= count {
            break;
        }
        messages = deliveries.next(BATCH).await;
    }
    let rate = count as f64 / began.elapsed().as_secs_f64();
    deliveries.close().await;
    rate
}

/// A service whose store keeps nothing works a backlog off. Takes the world away.
async fn handle(world: World, connection: &Connection, samples: &[Sample]) -> Result<f64> {
    let counter = Counter::of(samples.len());
    let service = Service::named("contacts")
        .projects_into(NullStore)
        .consumes(Subscriptions::new().on(on_registered))
        .with(counter.clone());
    world.admin().apply(&service.dealings().topology(), &broker_password(service.name())).await?;
    bare::seed(connection, "events.accounts", Registered::KEY, samples).await?;
    let app = world.start(service, &[]).await;
    let rate = counter.rate().await;
    app.stop().await;
    Ok(rate)
}

async fn on_registered(_: Registered, tx: &mut NullTx) -> Handled {
    tx.work().service().get::<Counter>().count();
    Ok(())
}
