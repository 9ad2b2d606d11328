//! Sending replies.

use std::{sync::Arc, time::Duration};

use governor::DefaultKeyedRateLimiter;
use lapin::{BasicProperties, Confirmation, message::BasicReturnMessage};
use metrics::counter;
use tokio::sync::watch;
use tracing::warn;

use super::{
    once_a_minute, reply_exchange,
    unconfirmed::{OneMore, Permits, Unconfirmed},
};
use crate::{
    messaging::rabbit::{BrokerError, Link, Sender, TIMEOUT, send},
    store::checks::MAX_REPLY,
};

/// What a waiting reply takes besides its body, in bytes: its properties and its task.
const OVERHEAD: u32 = 1024;

/// The request's name where it is not known.
const OTHER: &str = "unknown";

/// Sends replies over one channel. A reply queue that does not respond holds up no replies to others: at most 100 to it
/// are unconfirmed. Further ones wait, at most as many as fit into the largest reply; the rest is lost.
pub(super) struct Replies {
    sender: Sender,
    unconfirmed: Unconfirmed,
    /// The bytes of replies that may wait.
    waiting: Permits,
    /// Has a receiver for each reply that waits.
    later: watch::Sender<()>,
    /// Limits the log lines about each queue.
    logs: DefaultKeyedRateLimiter<String>,
}

/// A reply, and where it goes.
pub(super) struct ReplyTo {
    /// The name of the request.
    pub(super) request: String,
    pub(super) caller: String,
    pub(super) queue: String,
    pub(super) body: Vec<u8>,
    pub(super) properties: BasicProperties,
    /// The time that the caller waits for it.
    pub(super) time_left: Duration,
}

/// Why a reply was lost.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error("the reply queue does not respond: too many replies to it are unconfirmed")]
    NotTaken,
    #[error("the queue has rejected it, or does not exist")]
    Rejected,
    #[error(transparent)]
    Broker(#[from] BrokerError),
}

impl Replies {
    pub(super) fn new(link: Link) -> Self {
        Self {
            sender: Sender::new(link),
            unconfirmed: Unconfirmed::new(),
            waiting: Permits::new(MAX_REPLY + OVERHEAD as usize),
            later: watch::Sender::new(()),
            logs: once_a_minute(),
        }
    }

    /// The user at the broker.
    pub(super) fn user(&self) -> &str {
        self.sender.user()
    }

    /// Sends a reply. Does not wait for its confirm, nor for those before it.
    pub(super) async fn send(self: &Arc<Self>, reply: ReplyTo) {
        match self.unconfirmed.one_more_now(reply.queue.clone()) {
            Some(unconfirmed) => self.publish(reply, unconfirmed).await,
            None => self.send_later(reply),
        }
    }

    /// Waits until no reply waits to be sent any more.
    pub(super) async fn finish(&self) {
        self.later.closed().await;
    }

    fn send_later(self: &Arc<Self>, reply: ReplyTo) {
        let bytes = u32::try_from(reply.body.len()).unwrap_or(u32::MAX).saturating_add(OVERHEAD);
        let Ok(waiting) = self.waiting.of(reply.queue.clone()).try_acquire_many_owned(bytes) else {
            return self.lost(&reply.request, &reply.queue, &Lost::NotTaken);
        };
        let (replies, counted) = (self.clone(), self.later.subscribe());
        tokio::spawn(async move {
            let unconfirmed = replies.unconfirmed.one_more(reply.queue.clone());
            match tokio::time::timeout(reply.time_left, unconfirmed).await {
                Ok(Some(unconfirmed)) => replies.publish(reply, unconfirmed).await,
                _ => replies.lost(&reply.request, &reply.queue, &Lost::NotTaken),
            }
            drop((waiting, counted));
        });
    }

    async fn publish(self: &Arc<Self>, reply: ReplyTo, unconfirmed: OneMore) {
        let ReplyTo { request, caller, queue, body, properties, .. } = reply;
        let sending = async {
            let (channel, generation) = self.sender.channel().await?;
            match send(&channel, &reply_exchange(&caller), &queue, &body, properties).await {
                Ok(confirm) => Ok((channel, confirm)),
                Err(error) => {
                    self.sender.give_up(generation).await;
                    Err(BrokerError::from(error))
                }
            }
        };
        // The caller does not wait longer.
        let sent = tokio::time::timeout(TIMEOUT, sending).await.unwrap_or(Err(BrokerError::Timeout(TIMEOUT)));
        let (channel, confirm) = match sent {
            Ok(sent) => sent,
            Err(error) => return self.lost(&request, &queue, &Lost::Broker(error)),
        };
        let replies = self.clone();
        tokio::spawn(async move {
            match unconfirmed.confirmed(&channel, confirm).await {
                Some(Ok(Confirmation::Nack(returned))) => {
                    replies.lost(&request, &queue, &Lost::Rejected);
                    replies.returned(returned, &request, &queue);
                }
                Some(Ok(Confirmation::Ack(returned))) => replies.returned(returned, &request, &queue),
                // Whether the caller has it is not known if the channel was closed.
                Some(Ok(Confirmation::NotRequested) | Err(_)) | None => {}
            }
        });
    }

    /// Reports the reply that the broker returned with a confirm: any on the same channel.
    fn returned(&self, returned: Option<BasicReturnMessage>, request: &str, queue: &str) {
        let Some(returned) = returned else { return };
        let to = returned.delivery.routing_key.as_str();
        self.lost(if to == queue { request } else { OTHER }, to, &Lost::Rejected);
    }

    fn lost(&self, request: &str, queue: &str, why: &Lost) {
        counter!("replies_lost_total", "name" => request.to_owned()).increment(1);
        if self.logs.check_key(&queue.to_owned()).is_ok() {
            warn!(queue, message.name = request, %why, "a reply was lost");
        }
    }
}
