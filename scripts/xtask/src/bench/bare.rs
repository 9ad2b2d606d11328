//! The bare broker library: seeds the queues of all rows, and is the baseline they are compared with.

use std::{collections::VecDeque, time::Instant};

use accounts_events::Registered;
use anyhow::{Context, Result, bail};
use chrono::Utc;
use events::{Envelope, Message};
use futures::StreamExt;
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, Consumer, PublisherConfirm,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
        QueueDeclareOptions,
    },
    types::{AMQPValue, FieldTable},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use skeleton::{
    Environment,
    config::BrokerSettings,
    testing::{Servers, World},
};
use uuid::Uuid;

/// The limit of unconfirmed messages, and of unacknowledged ones.
pub const WINDOW: u16 = 256;

/// How many messages one acknowledgement covers.
pub const BATCH: usize = 64;

/// The number of different subjects.
const SUBJECTS: u128 = 1000;

/// The approximate size of a message's data in bytes.
const BODY: usize = 300;

/// A message to send.
#[derive(Clone)]
pub struct Sample {
    /// Its envelope.
    pub envelope: Envelope,
    /// Its data.
    pub body: Vec<u8>,
}

/// Samples of the one message type that all rows use, with their number in the name; every run has the same subjects.
pub fn samples(count: usize) -> Vec<Sample> {
    let environment = Environment::system();
    let mut rng = StdRng::seed_from_u64(1);
    let sample = |number: usize| {
        let account_id = Uuid::from_u128(rng.random_range(1..=SUBJECTS));
        let message = Registered {
            account_id,
            email: format!("n{number}@bench.test"),
            name: format!("{number} {}", "x".repeat(BODY - 180)),
            discoverable: false,
            nameable: false,
            registered_at: Utc::now(),
        };
        let envelope = Envelope {
            id: environment.new_message_id(),
            name: Registered::NAME.to_owned(),
            source: format!("/{}", Registered::SERVICE),
            time: environment.now(),
            subject: message.subject(),
            sequence: Some(1),
            trace: Some(environment.new_trace()),
            correlation_id: Some(account_id),
            causation_id: Some(account_id),
            actor: None,
            deadline: None,
        };
        Ok(Sample { envelope, body: serde_json::to_vec(&message)? })
    };
    // Serializing such a message cannot fail.
    (0..count).map(sample).collect::<Result<_>>().unwrap_or_default()
}

/// The number at the start of a sample's name.
pub fn number_of(name: &str) -> Option<i64> {
    name.split(' ').next()?.parse().ok()
}

/// The AMQP properties of a sample: those that the skeleton sends.
pub fn properties(sample: &Sample) -> BasicProperties {
    BasicProperties::default()
        .with_content_type("application/json".into())
        .with_message_id(sample.envelope.id.to_string().into())
        .with_user_id(Registered::SERVICE.into())
        .with_delivery_mode(2)
        .with_headers(headers(&sample.envelope))
}

/// An envelope as AMQP headers.
pub fn headers(envelope: &Envelope) -> FieldTable {
    let mut headers = FieldTable::default();
    for (name, value) in envelope.to_headers() {
        headers.insert(name.into(), AMQPValue::LongString(value.into()));
    }
    headers
}

/// An administrator's connection to a world's management API.
pub fn broker(world: &World) -> BrokerSettings {
    let servers = Servers::from_env();
    let (address, _) = servers.amqp.rsplit_once('/').unwrap_or((&servers.amqp, ""));
    BrokerSettings {
        url: format!("{address}/{}", vhost(world)),
        password: "".into(),
        prefetch: WINDOW,
        batch: BATCH,
        partitions: 1,
        window: i64::from(WINDOW),
        confirm_timeout_ms: 5000,
        reconnect_max_ms: 500,
        tls_ca_file: None,
        allow_plaintext: false,
    }
}

/// The name of a world's virtual host.
pub fn vhost(world: &World) -> String {
    let url = world.amqp_url("bench");
    url.rsplit('/').next().unwrap_or_default().to_owned()
}

/// An administrator's AMQP connection to a world.
pub async fn connect(world: &World) -> Result<Connection> {
    Connection::connect(world.sender_url(), ConnectionProperties::default()).await.context("cannot reach the broker")
}

/// Declares a quorum queue, as events wait in.
pub async fn quorum_queue(channel: &Channel, name: &str) -> Result<()> {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    let lasting = QueueDeclareOptions { durable: true, ..Default::default() };
    channel.queue_declare(name.into(), lasting, arguments).await?;
    Ok(())
}

/// A channel with publisher confirms.
pub async fn confirmed_channel(connection: &Connection) -> Result<Channel> {
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    Ok(channel)
}

/// Publishes with a window of open confirms. Returns messages per second.
pub async fn publish(
    channel: &Channel,
    exchange: &str,
    routing_key: &str,
    messages: Vec<(BasicProperties, Vec<u8>)>,
) -> Result<f64> {
    let count = messages.len();
    let options = BasicPublishOptions { mandatory: true, ..Default::default() };
    let mut open = VecDeque::with_capacity(usize::from(WINDOW));
    let began = Instant::now();
    for (properties, body) in messages {
        if open.len() == usize::from(WINDOW)
            && let Some(oldest) = open.pop_front()
        {
            confirmed(oldest).await?;
        }
        open.push_back(channel.basic_publish(exchange.into(), routing_key.into(), options, &body, properties).await?);
    }
    for confirm in open {
        confirmed(confirm).await?;
    }
    Ok(count as f64 / began.elapsed().as_secs_f64())
}

async fn confirmed(confirm: PublisherConfirm) -> Result<()> {
    match confirm.await? {
        Confirmation::Ack(None) => Ok(()),
        other => bail!("a message was not confirmed: {other:?}"),
    }
}

/// Publishes all samples to a queue.
pub async fn seed(connection: &Connection, exchange: &str, routing_key: &str, samples: &[Sample]) -> Result<()> {
    let messages = samples.iter().map(|sample| (properties(sample), sample.body.clone())).collect();
    publish(&confirmed_channel(connection).await?, exchange, routing_key, messages).await.map(drop)
}

/// Starts a consumer with the prefetch that all rows use.
pub async fn consumer(connection: &Connection, queue: &str) -> Result<Consumer> {
    let channel = connection.create_channel().await?;
    channel.basic_qos(WINDOW, BasicQosOptions::default()).await?;
    let options = BasicConsumeOptions::default();
    Ok(channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await?)
}

/// Consumes messages and acknowledges them in batches. Returns messages per second.
pub async fn consume(consumer: &mut Consumer, count: usize) -> Result<f64> {
    let began = Instant::now();
    for seen in 1..=count {
        let delivery = consumer.next().await.context("the consumer has ended")??;
        if seen % BATCH == 0 || seen == count {
            delivery.ack(BasicAckOptions { multiple: true }).await?;
        }
    }
    Ok(count as f64 / began.elapsed().as_secs_f64())
}
