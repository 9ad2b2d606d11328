//! The time from a commit to the delivery of its event, on an idle system.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use contacts_events::ContactRemoved;
use futures::StreamExt;
use lapin::{
    options::{BasicAckOptions, QueueBindOptions},
    types::FieldTable,
};
use skeleton::{
    Postgres, Publish, Service,
    store::{Store, Transaction},
    testing::TestApp,
};

use super::{
    Size, bare,
    report::{Aim, Finding, Report, quantile},
};

const QUEUE: &str = "bench.outbox";

/// The pause between two commits.
const REST: Duration = Duration::from_millis(20);

/// How long one message may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// From the call of commit, including its write to disk, to the delivery from a quorum queue.
pub async fn measure(size: Size, report: &mut Report) -> Result<()> {
    let (rounds, count) = (size.choose(5, 2), size.choose(200, 20));
    let finding = |what: &str, aim| Finding::new("outbox", what, "ms", Aim::AtMost(aim));
    let mut half = finding("commit to delivery, p50", 5.0);
    let mut most = finding("commit to delivery, p99", 25.0);
    for _ in 0..rounds {
        let latencies = latencies(count).await?;
        half.ours.push(quantile(&latencies, 0.5));
        most.ours.push(quantile(&latencies, 0.99));
    }
    report.findings.extend([half, most]);
    Ok(())
}

async fn latencies(count: usize) -> Result<Vec<f64>> {
    let app = TestApp::start(Service::named("contacts").store(Postgres::migrated_by(&[])), &[]).await;
    let connection = bare::connect(app.world()).await?;
    let channel = connection.create_channel().await?;
    bare::quorum_queue(&channel, QUEUE).await?;
    let bound = channel.queue_bind(
        QUEUE.into(),
        "events.contacts".into(),
        "#".into(),
        QueueBindOptions::default(),
        FieldTable::default(),
    );
    bound.await?;
    let mut consumer = bare::consumer(&connection, QUEUE).await?;
    let parts = app.parts();
    let mut latencies = Vec::with_capacity(count);
    for _ in 0..count {
        tokio::time::sleep(REST).await;
        let mut tx = parts.store.begin(&parts.service, &[]).await?;
        let removed: ContactRemoved = contacts_events::samples::contact_removed();
        tx.publish(removed).map_err(|failure| anyhow!("{failure}"))?;
        let began = Instant::now();
        tx.commit().await?;
        let delivery = tokio::time::timeout(TIMEOUT, consumer.next()).await.context("no message arrived in time")?;
        latencies.push(began.elapsed().as_secs_f64() * 1e3);
        delivery.context("the consumer has ended")??.ack(BasicAckOptions::default()).await?;
    }
    connection.close(200, "bye".into()).await?;
    app.stop().await;
    Ok(latencies)
}
