//! Request and reply: the skeleton's client and server beside the bare library with direct reply-to.
//!
//! Both ends are in this process, on its one thread; both carry the same data.

use std::{
    collections::HashMap,
    future::Future,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use anyhow::{Context, Result};
use events::{
    contacts::{ContactView, GetContact},
    samples,
};
use futures::{StreamExt, future::try_join_all};
use lapin::{
    BasicProperties, Channel, Connection,
    options::{BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, QueueDeclareOptions},
    types::FieldTable,
};
use skeleton::{
    Answered, Answers, Reading, Service,
    testing::{TestApp, World},
};
use tokio::{sync::oneshot, task::JoinHandle};

use super::{
    Size,
    bare::{self, WINDOW},
    null_store::NullStore,
    report::{Aim, Finding, Report, quantile},
};

const REPLY_TO: &str = "amq.rabbitmq.reply-to";

/// Measures with one request in the air, and with 32.
pub async fn measure(size: Size, report: &mut Report) -> Result<()> {
    let rounds = size.choose(5, 2);
    for (at_once, count) in [(1, size.choose(1500, 100)), (32, size.choose(12_000, 640))] {
        let finding = |quantile: &str, aim| Finding {
            row: "request",
            what: format!("{quantile}, {at_once} in the air"),
            unit: "µs",
            ours: Vec::new(),
            baseline: Vec::new(),
            aim,
        };
        let mut half = finding("p50", Aim::RatioAtMost(1.25));
        let mut most = finding("p99", Aim::None);
        for _ in 0..rounds {
            let latencies = ask_bare(at_once, count).await?;
            half.baseline.extend(quantile(&latencies, 0.5));
            most.baseline.extend(quantile(&latencies, 0.99));
            let latencies = ask(at_once, count).await?;
            half.ours.extend(quantile(&latencies, 0.5));
            most.ours.extend(quantile(&latencies, 0.99));
        }
        report.findings.extend([half, most]);
    }
    Ok(())
}

/// Asks `count` times, `at_once` at a time. Returns the latencies in microseconds, without the first tenth.
async fn latencies<Out>(at_once: usize, count: usize, ask: impl Fn() -> Out) -> Result<Vec<f64>>
where
    Out: Future<Output = Result<()>>,
{
    let lanes = (0..at_once).map(async |_| -> Result<Vec<f64>> {
        let mut taken = Vec::with_capacity(count / at_once);
        for _ in 0..count / at_once {
            let began = Instant::now();
            ask().await?;
            taken.push(began.elapsed().as_secs_f64() * 1e6);
        }
        Ok(taken.split_off(taken.len() / 10))
    });
    Ok(try_join_all(lanes).await?.concat())
}

async fn ask(at_once: usize, count: usize) -> Result<Vec<f64>> {
    let service = Service::named("contacts")
        .projects_into(NullStore)
        .answers(Answers::new().read(get_contact), &["gateway"])
        .with(samples::contacts::contact_view());
    let app = TestApp::start(service, &[("requests", "per_caller_per_second", "1000000")]).await;
    let asked = samples::contacts::get_contact();
    let latencies = latencies(at_once, count, async || {
        app.ask(&asked).await.map(drop).map_err(|problem| anyhow::anyhow!("{}", problem.detail))
    })
    .await;
    app.stop().await;
    latencies
}

async fn get_contact(_: GetContact, reading: Reading<NullStore>) -> Answered<ContactView> {
    Ok(ContactView::clone(&reading.resource::<ContactView>()))
}

async fn ask_bare(at_once: usize, count: usize) -> Result<Vec<f64>> {
    let world = World::new().await;
    let (answering, asking) = (bare::connect(&world).await?, bare::connect(&world).await?);
    let (queue, answerer) = answer_bare(&answering).await?;
    let asker = BareAsker::new(&asking, queue).await?;
    let latencies = latencies(at_once, count, || asker.ask()).await;
    answerer.abort();
    for connection in [asking, answering] {
        connection.close(200, "bye".into()).await?;
    }
    world.remove().await;
    latencies
}

fn no_ack() -> BasicConsumeOptions {
    BasicConsumeOptions { no_ack: true, ..Default::default() }
}

async fn answer_bare(connection: &Connection) -> Result<(String, JoinHandle<Result<()>>)> {
    let reply = serde_json::to_vec(&samples::contacts::contact_view())?;
    let channel = connection.create_channel().await?;
    let own = QueueDeclareOptions { exclusive: true, auto_delete: true, ..Default::default() };
    let queue = channel.queue_declare("".into(), own, FieldTable::default()).await?.name().to_string();
    channel.basic_qos(WINDOW, BasicQosOptions::default()).await?;
    let mut requests = channel.basic_consume(queue.as_str().into(), "".into(), no_ack(), FieldTable::default()).await?;
    let answering = tokio::spawn(async move {
        while let Some(request) = requests.next().await {
            let properties = request?.properties;
            let to = properties.reply_to().clone().context("a request has no address for its reply")?;
            let id = properties.correlation_id().clone().context("a request has no id")?;
            let properties = BasicProperties::default().with_correlation_id(id);
            channel.basic_publish("".into(), to, BasicPublishOptions::default(), &reply, properties).await?;
        }
        Ok(())
    });
    Ok((queue, answering))
}

/// Who waits for a reply, by the request's id.
type Open = Arc<Mutex<HashMap<String, oneshot::Sender<()>>>>;

/// Asks with the bare library.
struct BareAsker {
    channel: Channel,
    queue: String,
    body: Vec<u8>,
    open: Open,
    next: AtomicU64,
}

impl BareAsker {
    async fn new(connection: &Connection, queue: String) -> Result<Self> {
        let body = serde_json::to_vec(&samples::contacts::get_contact())?;
        let channel = connection.create_channel().await?;
        let mut replies = channel.basic_consume(REPLY_TO.into(), "".into(), no_ack(), FieldTable::default()).await?;
        let open = Open::default();
        let waiting = open.clone();
        tokio::spawn(async move {
            while let Some(Ok(reply)) = replies.next().await {
                let Some(id) = reply.properties.correlation_id() else { continue };
                let asker = waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(id.as_str());
                // Who has stopped waiting misses nothing.
                let _ = asker.map(|asker| asker.send(()));
            }
        });
        Ok(Self { channel, queue, body, open, next: AtomicU64::new(0) })
    }

    async fn ask(&self) -> Result<()> {
        let id = self.next.fetch_add(1, Ordering::Relaxed).to_string();
        let (sender, answered) = oneshot::channel();
        self.open.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), sender);
        let properties = BasicProperties::default().with_correlation_id(id.into()).with_reply_to(REPLY_TO.into());
        let options = BasicPublishOptions::default();
        self.channel.basic_publish("".into(), self.queue.as_str().into(), options, &self.body, properties).await?;
        answered.await.context("no reply came")
    }
}
