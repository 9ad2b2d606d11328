//! The broker library with nothing around it: how all rows seed their queues, and what they are compared with.

use std::{collections::VecDeque, time::Instant};

use anyhow::{Context, Result, bail};
use chrono::Utc;
use events::{Envelope, Message, accounts::Registered};
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

/// How many messages are unconfirmed, and how many unacknowledged, at most.
pub const WINDOW: u16 = 256;

/// How many messages are acknowledged with one word.
pub const BATCH: usize = 64;

/// How many different things the messages are about.
const SUBJECTS: u128 = 1000;

/// About how many bytes of data a message has.
const BODY: usize = 300;

/// A message to be sent.
#[derive(Clone)]
pub struct Sample {
    /// Its envelope.
    pub envelope: Envelope,
    /// Its data.
    pub body: Vec<u8>,
}

/// Messages of the one kind that all rows use, numbered from 0 in their names; the same subjects in every run.
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
    // Writing such a message as JSON cannot fail.
    (0..count).map(sample).collect::<Result<_>>().unwrap_or_default()
}

/// The number that a sample's name begins with.
pub fn number_of(name: &str) -> Option<i64> {
    name.split(' ').next()?.parse().ok()
}

/// What goes out with a sample: the same as the skeleton sends, but for the user.
pub fn properties(sample: &Sample) -> BasicProperties {
    BasicProperties::default()
        .with_content_type("application/json".into())
        .with_message_id(sample.envelope.id.to_string().into())
        .with_delivery_mode(2)
        .with_headers(headers(&sample.envelope))
}

/// An envelope as it goes over the wire.
pub fn headers(envelope: &Envelope) -> FieldTable {
    let mut headers = FieldTable::default();
    for (name, value) in envelope.to_headers() {
        headers.insert(name.into(), AMQPValue::LongString(value.into()));
    }
    headers
}

/// The broker as its administrator, in a world.
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
    let url = world.amqp_url("nobody");
    url.rsplit('/').next().unwrap_or_default().to_owned()
}

/// A connection of the administrator's in a world.
pub async fn connect(world: &World) -> Result<Connection> {
    Connection::connect(&broker(world).url, ConnectionProperties::default())
        .await
        .context("the broker cannot be reached")
}

/// Makes a queue of the kind that events wait in.
pub async fn quorum_queue(channel: &Channel, name: &str) -> Result<()> {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    let lasting = QueueDeclareOptions { durable: true, ..Default::default() };
    channel.queue_declare(name.into(), lasting, arguments).await?;
    Ok(())
}

/// A channel on which the broker confirms what it has taken.
pub async fn confirmed_channel(connection: &Connection) -> Result<Channel> {
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    Ok(channel)
}

/// Publishes with confirms, a window of them open at a time. Returns messages a second.
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
        other => bail!("a message was not taken: {other:?}"),
    }
}

/// Fills a queue.
pub async fn seed(connection: &Connection, exchange: &str, routing_key: &str, samples: &[Sample]) -> Result<()> {
    let messages = samples.iter().map(|sample| (properties(sample), sample.body.clone())).collect();
    publish(&confirmed_channel(connection).await?, exchange, routing_key, messages).await.map(drop)
}

/// Opens a queue for reading, with the prefetch that all rows use.
pub async fn consumer(connection: &Connection, queue: &str) -> Result<Consumer> {
    let channel = connection.create_channel().await?;
    channel.basic_qos(WINDOW, BasicQosOptions::default()).await?;
    let options = BasicConsumeOptions::default();
    Ok(channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await?)
}

/// Takes messages and acknowledges them, a batch with one word. Returns messages a second.
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
