//! Watches what a service publishes.

use std::sync::{Arc, Mutex, PoisonError};

use events::{Envelope, Message};
use futures::StreamExt;
use lapin::{
    Channel, Connection, ExchangeKind,
    options::{BasicConsumeOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::FieldTable,
};

use crate::messaging::{Incoming, rabbit::incoming};

/// All messages that a service has published since the spy was created.
pub(super) struct Spy {
    seen: Arc<Mutex<Vec<Incoming>>>,
    _channel: Channel,
}

impl Spy {
    pub(super) async fn on(connection: &Connection, service: &str) -> Self {
        let channel = connection.create_channel().await.expect("the broker opens a channel");
        let exchange = format!("events.{service}");
        let lasting = ExchangeDeclareOptions { durable: true, ..Default::default() };
        let declared =
            channel.exchange_declare(exchange.as_str().into(), ExchangeKind::Topic, lasting, FieldTable::default());
        declared.await.expect("the exchange matches the topology");
        let own = QueueDeclareOptions { exclusive: true, auto_delete: true, ..Default::default() };
        let queue =
            channel.queue_declare("".into(), own, FieldTable::default()).await.expect("the test's queue is declared");
        let bound = channel.queue_bind(
            queue.name().clone(),
            exchange.into(),
            "#".into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        );
        bound.await.expect("bound");
        let options = BasicConsumeOptions { no_ack: true, ..Default::default() };
        let consuming = channel.basic_consume(queue.name().clone(), "".into(), options, FieldTable::default());
        let mut consumer = consuming.await.expect("consuming");
        let seen: Arc<Mutex<Vec<Incoming>>> = Arc::default();
        let sink = seen.clone();
        tokio::spawn(async move {
            while let Some(Ok(delivery)) = consumer.next().await {
                sink.lock().unwrap_or_else(PoisonError::into_inner).push(incoming(delivery));
            }
        });
        Self { seen, _channel: channel }
    }

    /// The messages of one type, in order of arrival.
    pub(super) fn seen<M: Message>(&self) -> Vec<(Envelope, M)> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter()
            .filter_map(|message| {
                let envelope = message.envelope.as_ref().ok().filter(|envelope| envelope.name == M::NAME)?;
                Some((
                    envelope.clone(),
                    serde_json::from_slice(&message.body).expect("a published message fits its type"),
                ))
            })
            .collect()
    }

    /// The names of all messages.
    pub(super) fn names(&self) -> Vec<String> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().filter_map(|message| Some(message.envelope.as_ref().ok()?.name.clone())).collect()
    }
}
