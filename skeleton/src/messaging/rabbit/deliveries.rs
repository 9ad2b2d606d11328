//! The messages of one queue.

use std::{sync::Arc, time::Duration};

use futures::{FutureExt, StreamExt};
use lapin::{
    Channel, Consumer,
    message::Delivery,
    options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions},
    types::FieldTable,
};
use metrics::counter;
use tracing::{debug, error, info, warn};

use super::{BrokerError, Link, Partition, TIMEOUT, answered, incoming, link::OwnLink, partitions::responds};
use crate::messaging::{Deliveries, Incoming};

/// The wait after the broker refused the consumer.
const PAUSE: Duration = Duration::from_millis(500);

/// The same for a queue that does not respond: the wait doubles each time, up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The time limit for a consumer of a queue that does not respond. The broker closes the connection after 65 s.
const LONG_TIMEOUT: Duration = Duration::from_secs(75);

/// The messages of one queue, over successive connections.
///
/// If a quorum queue does not respond, the broker closes the connection of a consumer that is being started. So such a
/// queue gets a connection of its own until it responds, and the other queues keep theirs.
pub struct RabbitDeliveries {
    link: Link,
    queue: String,
    prefetch: u16,
    partition: Option<Arc<Partition>>,
    may_go: bool,
    own_link: Option<OwnLink>,
    open: Option<OpenChannel>,
    /// Whether a consumer has ended, and there is no other one yet.
    was_lost: bool,
}

struct OpenChannel {
    channel: Channel,
    consumer: Consumer,
    /// Its connection, if that is not shared with other queues.
    _own_link: Option<OwnLink>,
}

impl RabbitDeliveries {
    /// The messages of a queue, at most `prefetch` of them unacknowledged.
    pub fn new(link: Link, queue: impl Into<String>, prefetch: u16) -> Self {
        let queue = queue.into();
        Self { link, queue, prefetch, partition: None, may_go: false, own_link: None, open: None, was_lost: false }
    }

    /// The messages of a partition, which this replica releases if it has more than its share.
    pub fn of_partition(link: Link, partition: Arc<Partition>, prefetch: u16) -> Self {
        Self { partition: Some(partition.clone()), ..Self::new(link, partition.queue.clone(), prefetch) }
    }

    /// The messages of a queue that is deleted once it is empty; the messages end then.
    pub fn until_gone(link: Link, queue: impl Into<String>, prefetch: u16) -> Self {
        Self { may_go: true, ..Self::new(link, queue, prefetch) }
    }

    /// Waits for a consumer. `None` if the queue was deleted, where that is expected.
    async fn opened(&mut self) -> Option<&mut OpenChannel> {
        let (mut reported, mut pause) = (None, PAUSE);
        while self.open.is_none() {
            match self.try_open().await {
                Ok(open) => {
                    self.open = Some(open);
                    if std::mem::take(&mut self.was_lost) || reported.is_some() {
                        info!(queue = self.queue, "consuming the queue again");
                    }
                }
                Err(error) if self.may_go && error.is_missing() => return None,
                Err(error) => {
                    if reported.as_ref() != Some(&error) {
                        self.tell(&error);
                        reported = Some(error);
                    }
                    tokio::time::sleep(pause).await;
                    if self.own_link.is_some() {
                        pause = (pause * 2).min(LONGEST_PAUSE);
                    }
                }
            }
        }
        self.open.as_mut()
    }

    /// Drops the consumer, and returns its channel if there was one.
    fn forget(&mut self) -> Option<OpenChannel> {
        if let Some(partition) = &self.partition {
            partition.set_busy(false);
        }
        self.open.take()
    }

    /// Logs, once for each reason, why the queue cannot be read, and what an operator has to do about it.
    fn tell(&self, error: &BrokerError) {
        let queue = &self.queue;
        if error.needs_topology() {
            error!(
                queue,
                %error, "the queue is missing or forbidden: run this service's `topology apply` as administrator"
            );
        } else {
            warn!(queue, %error, "failed to read the queue; retrying");
        }
    }

    async fn try_open(&mut self) -> Result<OpenChannel, BrokerError> {
        if self.own_link.is_none() && !responds(&self.link, &self.queue).await? {
            self.use_own_link();
        }
        let (link, within) = match &self.own_link {
            Some(own) => (&**own, LONG_TIMEOUT),
            None => (&self.link, TIMEOUT),
        };
        let (options, arguments) = (BasicConsumeOptions::default(), FieldTable::default());
        match link.consume(&self.queue, self.prefetch, options, arguments, within).await {
            Ok((channel, consumer)) => Ok(OpenChannel { channel, consumer, _own_link: self.own_link.take() }),
            Err(error) => {
                if matches!(error, BrokerError::Timeout(_)) {
                    self.use_own_link();
                }
                Err(error)
            }
        }
    }

    fn use_own_link(&mut self) {
        if self.own_link.is_none() {
            debug!(queue = self.queue, "the queue does not respond: it gets a connection of its own");
            self.own_link = Some(self.link.beside(&self.queue));
        }
    }

    /// Waits for a delivery and replaces a consumer that has ended. `None` if the queue was deleted, where that is
    /// expected.
    async fn wait(&mut self) -> Option<Delivery> {
        loop {
            let partition = self.partition.clone();
            let consumer = &mut self.opened().await?.consumer;
            let next = tokio::select! {
                biased;
                () = wanted_elsewhere(partition.as_deref()) => {
                    self.close().await;
                    continue;
                }
                next = consumer.next() => next,
            };
            match next {
                Some(Ok(delivery)) => {
                    if let Some(partition) = &self.partition {
                        partition.set_busy(true);
                    }
                    return Some(delivery);
                }
                ended => {
                    let why =
                        ended.and_then(Result::err).map_or("the broker ended it".to_owned(), |error| error.to_string());
                    warn!(queue = self.queue, why, "the consumer ended; opening another");
                    self.was_lost = true;
                    counter!("consumer_restarts_total", "queue" => self.queue.clone()).increment(1);
                    self.forget();
                }
            }
        }
    }
}

/// Waits until another replica should get this partition; forever if the queue is not a partition.
async fn wanted_elsewhere(partition: Option<&Partition>) {
    match partition {
        Some(partition) => partition.wanted_elsewhere().await,
        None => std::future::pending().await,
    }
}

impl Deliveries for RabbitDeliveries {
    async fn next(&mut self, most: usize) -> Vec<Incoming> {
        let mut messages = Vec::with_capacity(most);
        let Some(first) = self.wait().await else { return messages };
        messages.push(incoming(first));
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
        // Only over the channel of the delivery: a tag is meaningless on another channel. An unacknowledged message is
        // redelivered, and the inbox recognises it.
        let Some(open) = &self.open else { return };
        let acknowledged = open.channel.basic_ack(last.tag, BasicAckOptions { multiple: true }).await;
        if acknowledged.is_err() {
            counter!("acknowledgements_lost_total", "queue" => self.queue.clone()).increment(1);
        }
    }

    async fn close(&mut self) {
        if let Some(open) = self.forget() {
            // Cancel the consumer first: a delivery to a channel that is being closed makes lapin drop the whole
            // connection, and with it the acknowledgements of all other queues.
            let _ = answered(open.channel.basic_cancel(open.consumer.tag(), BasicCancelOptions::default())).await;
            let _ = answered(open.channel.close(200, "bye".into())).await;
        }
    }
}
