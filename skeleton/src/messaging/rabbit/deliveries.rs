//! The messages of one queue.

use std::time::Duration;

use futures::{FutureExt, StreamExt};
use lapin::{
    Channel, Consumer,
    message::Delivery,
    options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions},
    types::FieldTable,
};
use metrics::counter;
use tracing::warn;

use super::{Link, answered, incoming};
use crate::messaging::{Deliveries, Incoming};

/// The wait after the broker has refused us as a consumer.
const PAUSE: Duration = Duration::from_millis(500);

/// The messages of one queue, whichever connection brings them.
pub struct RabbitDeliveries {
    link: Link,
    queue: String,
    prefetch: u16,
    open: Option<Open>,
}

struct Open {
    channel: Channel,
    consumer: Consumer,
}

impl RabbitDeliveries {
    /// The messages of a queue, at most `prefetch` of them in hand.
    pub fn new(link: Link, queue: impl Into<String>, prefetch: u16) -> Self {
        Self { link, queue: queue.into(), prefetch, open: None }
    }

    async fn opened(&mut self) -> &mut Open {
        while self.open.is_none() {
            match self.try_open().await {
                Ok(open) => self.open = Some(open),
                Err(error) => {
                    warn!(queue = self.queue, error, "the queue cannot be read: trying until it can");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        self.open.as_mut().unwrap_or_else(|| unreachable!("the loop above ends with a consumer"))
    }

    async fn try_open(&self) -> Result<Open, String> {
        let (channel, _) = self.link.channel().await?;
        answered(channel.basic_qos(self.prefetch, BasicQosOptions::default())).await?;
        let options = BasicConsumeOptions::default();
        let consuming = channel.basic_consume(self.queue.as_str().into(), "".into(), options, FieldTable::default());
        let consumer = answered(consuming).await?;
        Ok(Open { channel, consumer })
    }

    /// Waits for a delivery; a consumer that has ended is replaced.
    async fn wait(&mut self) -> Delivery {
        loop {
            match self.opened().await.consumer.next().await {
                Some(Ok(delivery)) => return delivery,
                ended => {
                    let why =
                        ended.and_then(Result::err).map_or("the broker ended it".to_owned(), |error| error.to_string());
                    warn!(queue = self.queue, why, "the consumer has ended: opening another");
                    counter!("consumer_restarts_total", "queue" => self.queue.clone()).increment(1);
                    self.open = None;
                }
            }
        }
    }
}

impl Deliveries for RabbitDeliveries {
    async fn next(&mut self, most: usize) -> Vec<Incoming> {
        let mut messages = Vec::with_capacity(most);
        messages.push(incoming(self.wait().await));
        if let Some(open) = &mut self.open {
            while messages.len() < most
                && let Some(Some(Ok(delivery))) = open.consumer.next().now_or_never()
            {
                messages.push(incoming(delivery));
            }
        }
        messages
    }

    async fn acknowledge_through(&mut self, last: &Incoming) {
        // Over the channel that brought it, or not at all: a tag means nothing to another channel. What is not
        // acknowledged comes again, and the inbox knows it.
        let Some(open) = &self.open else { return };
        let acknowledged = open.channel.basic_ack(last.tag, BasicAckOptions { multiple: true }).await;
        if acknowledged.is_err() {
            counter!("acknowledgements_lost_total", "queue" => self.queue.clone()).increment(1);
        }
    }

    async fn close(&mut self) {
        if let Some(open) = self.open.take() {
            let _ = answered(open.channel.close(200, "bye".into())).await;
        }
    }
}
