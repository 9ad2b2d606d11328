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

use anyhow::{Context, Result, anyhow};
use events::{
    contacts::{ContactView, GetContact},
    samples,
};
use futures::{StreamExt, future::try_join_all};
use lapin::{
    BasicProperties, Channel, Connection, Consumer,
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

/// Measures with one request in the air, and with 32: in short turns, so that both see the same machine.
pub async fn measure(size: Size, report: &mut Report) -> Result<()> {
    let service = Service::named("contacts")
        .projects_into(NullStore)
        .answers(Answers::new().read(get_contact), &["gateway"])
        .with(samples::contacts::contact_view());
    let app = TestApp::start(service, &[("requests", "per_caller_per_second", "1000000")]).await;
    let bare = Bare::start().await?;
    let asked = samples::contacts::get_contact();
    let ask_ours = async || {
        let answered: Result<ContactView, _> = app.ask(&asked).await;
        answered.map(drop).map_err(|problem| anyhow!("{}", problem.detail))
    };
    let ask_bare = || bare.ask();
    for (at_once, count) in [(1, size.choose(300, 50)), (32, size.choose(2400, 320))] {
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
        latencies(at_once, count, ask_bare).await?;
        latencies(at_once, count, ask_ours).await?;
        for _ in 0..size.choose(15, 2) {
            let taken = latencies(at_once, count, ask_bare).await?;
            half.baseline.extend(quantile(&taken, 0.5));
            most.baseline.extend(quantile(&taken, 0.99));
            let taken = latencies(at_once, count, ask_ours).await?;
            half.ours.extend(quantile(&taken, 0.5));
            most.ours.extend(quantile(&taken, 0.99));
        }
        report.findings.extend([half, most]);
    }
    app.stop().await;
    bare.stop().await
}

/// Asks `count` times, `at_once` at a time. Returns the latencies in microseconds.
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
        Ok(taken)
    });
    Ok(try_join_all(lanes).await?.concat())
}

async fn get_contact(_: GetContact, reading: Reading<NullStore>) -> Answered<ContactView> {
    Ok(ContactView::clone(&reading.resource::<ContactView>()))
}

fn no_ack() -> BasicConsumeOptions {
    BasicConsumeOptions { no_ack: true, ..Default::default() }
}

/// Who waits for a reply, by the request's id.
type Open = Arc<Mutex<HashMap<String, oneshot::Sender<()>>>>;

/// Asking and answering with the bare library.
struct Bare {
    world: World,
    connections: [Connection; 2],
    answerer: JoinHandle<Result<()>>,
    channel: Channel,
    queue: String,
    body: Vec<u8>,
    open: Open,
    next: AtomicU64,
}

impl Bare {
    async fn start() -> Result<Self> {
        let world = World::new().await;
        let (answering, asking) = (bare::connect(&world).await?, bare::connect(&world).await?);
        let (queue, answerer) = answer(&answering).await?;
        let channel = asking.create_channel().await?;
        let replies = channel.basic_consume(REPLY_TO.into(), "".into(), no_ack(), FieldTable::default()).await?;
        let open = Open::default();
        tokio::spawn(take_in(replies, open.clone()));
        let body = serde_json::to_vec(&samples::contacts::get_contact())?;
        let (connections, next) = ([asking, answering], AtomicU64::new(0));
        Ok(Self { world, connections, answerer, channel, queue, body, open, next })
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

    async fn stop(self) -> Result<()> {
        self.answerer.abort();
        for connection in self.connections {
            connection.close(200, "bye".into()).await?;
        }
        self.world.remove().await;
        Ok(())
    }
}

async fn answer(connection: &Connection) -> Result<(String, JoinHandle<Result<()>>)> {
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

async fn take_in(mut replies: Consumer, open: Open) {
    while let Some(Ok(reply)) = replies.next().await {
        let Some(id) = reply.properties.correlation_id() else { continue };
        let asker = open.lock().unwrap_or_else(PoisonError::into_inner).remove(id.as_str());
        // Who has stopped waiting misses nothing.
        let _ = asker.map(|asker| asker.send(()));
    }
}
