//! Request and reply: the skeleton's client and server beside the bare library, with direct reply-to, and with
//! everything that ours sends.
//!
//! Both ends are in this process, on its one thread, and carry the same data.

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
use contacts_events::{ContactView, GetContact};
use futures::{StreamExt, future::try_join_all};
use lapin::{
    BasicProperties, Channel, Connection, Consumer, ExchangeKind,
    message::Delivery,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
        ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
    },
    types::FieldTable,
};
use skeleton::{
    HandlerResult, ReadContext, RequestHandlers, Service,
    testing::{TestApp, World},
};
use tokio::{sync::oneshot, task::JoinHandle};

use super::{
    Size,
    bare::{self, WINDOW},
    null_store::NullStore,
    report::{Aim, Finding, Report, quantile},
};
use crate::usage::Usage;

const DIRECT_REPLY_TO: &str = "amq.rabbitmq.reply-to";
const REQUESTS: &str = "bench.requests";
const REPLIES: &str = "bench.replies";

/// Measures with 1 and with 32 requests in flight, in short turns so that all run under the same conditions.
pub async fn measure(size: Size, report: &mut Report) -> Result<()> {
    let service = Service::named("contacts")
        .read_model_store(NullStore)
        .answers(RequestHandlers::new().read(get_contact), &["gateway"])
        .with(contacts_events::samples::contact_view());
    let app = TestApp::start(service, &[("requests", "per_caller_per_second", "1000000")]).await;
    let (direct, like_ours) = (Bare::start(Protocol::Direct).await?, Bare::start(Protocol::LikeOurs).await?);
    let asked = contacts_events::samples::get_contact();
    let ask_ours = async || {
        let answered: Result<ContactView, _> = app.call(&asked).await;
        answered.map(drop).map_err(|problem| anyhow!("{}", problem.detail))
    };
    for (at_once, count) in [(1, size.choose(300, 50)), (32, size.choose(2400, 320))] {
        let mut half = finding(format!("p50, {at_once} in flight"), Aim::RatioAtMost(1.25));
        let mut most = finding(format!("p99, {at_once} in flight"), Aim::None);
        let mut own = finding(format!("p50, {at_once} in flight, the baseline sends all that ours sends"), Aim::None);
        for round in 0..=size.choose(15, 2) {
            let began = Usage::of_ourselves()?;
            let by_direct = latencies(at_once, count, || direct.ask()).await?;
            let between = Usage::of_ourselves()?;
            let by_ours = latencies(at_once, count, ask_ours).await?;
            let turns = [began, between, Usage::of_ourselves()?];
            let by_like_ours = latencies(at_once, count, || like_ours.ask()).await?;
            if round == 0 {
                // The first turn warms up.
                continue;
            }
            half.add(quantile(&by_ours, 0.5), quantile(&by_direct, 0.5));
            half.add_turns(turns, count);
            most.add(quantile(&by_ours, 0.99), quantile(&by_direct, 0.99));
            own.add(quantile(&by_ours, 0.5), quantile(&by_like_ours, 0.5));
        }
        report.findings.extend([half, most, own]);
    }
    app.stop().await;
    direct.stop().await?;
    like_ours.stop().await
}

fn finding(what: String, aim: Aim) -> Finding {
    Finding::new("request", what, "µs", aim)
}

/// Sends `count` requests, `at_once` at a time. Returns the latencies in microseconds.
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

async fn get_contact(_: GetContact, reading: ReadContext<NullStore>) -> HandlerResult<ContactView> {
    Ok(ContactView::clone(&reading.resource::<ContactView>()))
}

/// What the bare library sends.
#[derive(Clone, Copy, PartialEq)]
enum Protocol {
    /// The minimum: queue names as addresses, direct reply-to, no confirms, no acknowledgements.
    Direct,
    /// What the skeleton sends: exchanges, a queue for replies, confirms, acknowledgements, an envelope both ways.
    LikeOurs,
}

/// The callers that wait for a reply, by request id.
type Open = Arc<Mutex<HashMap<String, oneshot::Sender<()>>>>;

/// Request and reply with the bare library.
struct Bare {
    protocol: Protocol,
    world: World,
    connections: [Connection; 2],
    answerer: JoinHandle<Result<()>>,
    channel: Channel,
    body: Vec<u8>,
    envelope: FieldTable,
    open: Open,
    next: AtomicU64,
}

impl Bare {
    async fn start(protocol: Protocol) -> Result<Self> {
        let world = World::new().await;
        let (answering, asking) = (bare::connect(&world).await?, bare::connect(&world).await?);
        let channel = asking.create_channel().await?;
        let requests = QueueDeclareOptions { durable: true, ..Default::default() };
        channel.queue_declare(REQUESTS.into(), requests, FieldTable::default()).await?;
        if protocol == Protocol::LikeOurs {
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            bind(&channel, REQUESTS).await?;
            let own = QueueDeclareOptions { exclusive: true, auto_delete: true, ..Default::default() };
            channel.queue_declare(REPLIES.into(), own, FieldTable::default()).await?;
            bind(&channel, REPLIES).await?;
        }
        let envelope = bare::headers(&bare::samples(1)[0].envelope);
        let answerer = tokio::spawn(answer(protocol, answering.create_channel().await?, envelope.clone()));
        let from = if protocol == Protocol::LikeOurs { REPLIES } else { DIRECT_REPLY_TO };
        let replies = channel.basic_consume(from.into(), "".into(), no_ack(), FieldTable::default()).await?;
        let open = Open::default();
        tokio::spawn(take_in(replies, open.clone()));
        let body = serde_json::to_vec(&contacts_events::samples::get_contact())?;
        let (connections, next) = ([asking, answering], AtomicU64::new(0));
        Ok(Self { protocol, world, connections, answerer, channel, body, envelope, open, next })
    }

    async fn ask(&self) -> Result<()> {
        let id = self.next.fetch_add(1, Ordering::Relaxed).to_string();
        let (sender, answered) = oneshot::channel();
        self.open.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), sender);
        let properties = BasicProperties::default().with_correlation_id(id.into());
        if self.protocol == Protocol::Direct {
            let properties = properties.with_reply_to(DIRECT_REPLY_TO.into());
            let options = BasicPublishOptions::default();
            self.channel.basic_publish("".into(), REQUESTS.into(), options, &self.body, properties).await?;
        } else {
            let properties = properties
                .with_reply_to(REPLIES.into())
                .with_expiration("5000".into())
                .with_headers(self.envelope.clone());
            let options = BasicPublishOptions { mandatory: true, ..Default::default() };
            let sent = self.channel.basic_publish(REQUESTS.into(), REQUESTS.into(), options, &self.body, properties);
            // Waits for the reply, not for the confirm.
            tokio::spawn(sent.await?);
        }
        answered.await.context("no reply arrived")
    }

    async fn stop(self) -> Result<()> {
        self.answerer.abort();
        for connection in self.connections {
            // Closing a channel that is already closing fails; all measurements are done by now.
            let _ = connection.close(200, "bye".into()).await;
        }
        self.world.remove().await;
        Ok(())
    }
}

/// Declares an exchange with a queue's name that routes everything to the queue.
async fn bind(channel: &Channel, queue: &str) -> Result<()> {
    let lasting = ExchangeDeclareOptions { durable: true, ..Default::default() };
    channel.exchange_declare(queue.into(), ExchangeKind::Direct, lasting, FieldTable::default()).await?;
    let options = QueueBindOptions::default();
    channel.queue_bind(queue.into(), queue.into(), queue.into(), options, FieldTable::default()).await?;
    Ok(())
}

async fn answer(protocol: Protocol, channel: Channel, envelope: FieldTable) -> Result<()> {
    let reply = serde_json::to_vec(&contacts_events::samples::contact_view())?;
    channel.basic_qos(WINDOW, BasicQosOptions::default()).await?;
    let like_ours = protocol == Protocol::LikeOurs;
    let options = BasicConsumeOptions { no_ack: !like_ours, ..Default::default() };
    let mut requests = channel.basic_consume(REQUESTS.into(), "".into(), options, FieldTable::default()).await?;
    while let Some(request) = requests.next().await {
        let Delivery { properties, acker, .. } = request?;
        let to = properties.reply_to().clone().context("a request has no address for its reply")?;
        let id = properties.correlation_id().clone().context("a request has no id")?;
        let properties = BasicProperties::default().with_correlation_id(id);
        let options = BasicPublishOptions::default();
        if like_ours {
            let properties = properties.with_headers(envelope.clone());
            channel.basic_publish(REPLIES.into(), to, options, &reply, properties).await?;
            acker.ack(BasicAckOptions::default()).await?;
        } else {
            channel.basic_publish("".into(), to, options, &reply, properties).await?;
        }
    }
    Ok(())
}

async fn take_in(mut replies: Consumer, open: Open) {
    while let Some(Ok(reply)) = replies.next().await {
        let Some(id) = reply.properties.correlation_id() else { continue };
        let asker = open.lock().unwrap_or_else(PoisonError::into_inner).remove(id.as_str());
        // If the caller has stopped waiting, nothing is lost.
        let _ = asker.map(|asker| asker.send(()));
    }
}

fn no_ack() -> BasicConsumeOptions {
    BasicConsumeOptions { no_ack: true, ..Default::default() }
}
