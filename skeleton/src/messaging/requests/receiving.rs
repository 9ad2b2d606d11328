//! Receiving replies.

use std::{sync::Arc, time::Duration};

use futures::StreamExt;
use lapin::{Channel, Consumer, message::Delivery, options::BasicConsumeOptions, types::FieldTable};
use metrics::counter;
use tokio::sync::watch;
use tracing::{info, warn};
use uuid::Uuid;

use super::{
    PROBLEM_JSON,
    pending::{PendingReplies, Reply},
};
use crate::{
    environment::Environment,
    failure::Problem,
    messaging::{
        rabbit::{BrokerError, Link, TIMEOUT, answered},
        topology::{REPLY_QUEUES, reply_queues},
    },
    stop::Stop,
    store::checks,
};

/// Prefetch does not apply without acknowledgements.
const UNLIMITED: u16 = 0;

/// After so many timeouts' time without any reply, the reply queue counts as one that does not respond.
const SILENT_TIMEOUTS: u32 = 2;

/// The queue of this instance's replies; a new one after each reconnect.
pub(super) type ReplyQueue = Arc<str>;

/// Receives the replies to the requests of a service's instance.
#[derive(Clone)]
pub(super) struct Receiving {
    pub(super) service: Arc<str>,
    pub(super) environment: Environment,
    pub(super) open: PendingReplies,
    /// The time limit of a request.
    pub(super) timeout: Duration,
    /// Announces the queue.
    pub(super) announce: Arc<watch::Sender<Option<ReplyQueue>>>,
}

impl Receiving {
    /// Receives for the lifetime of the process.
    pub(super) async fn run(self, link: Link, stop: Stop) {
        self.announce.send_replace(None);
        tokio::select! {
            () = stop.stopped() => {}
            () = self.receive(link) => {}
        }
    }

    async fn receive(self, link: Link) {
        let mut reported = None;
        loop {
            let first = (self.environment.fraction() * REPLY_QUEUES as f64) as usize;
            match claim(&self.service, first, &link).await {
                Ok((channel, queue, mut consumer)) => {
                    if reported.take().is_some() {
                        info!("receiving replies works again");
                    }
                    self.announce.send_replace(Some(queue.clone()));
                    let is_silent = self.receive_from(&mut consumer).await;
                    self.announce.send_replace(None);
                    if is_silent {
                        warn!(
                            queue = &*queue,
                            "requests time out and no reply arrives: the called services or the reply queue do not respond; using another \
                             reply queue"
                        );
                        // The queue may not respond to this either.
                        tokio::spawn(async move { answered(channel.close(200, "bye".into())).await });
                    }
                }
                Err(error) => {
                    let text = error.to_string();
                    if reported.as_ref() != Some(&text) {
                        warn!(%error, "failed to receive replies; retrying");
                        reported = Some(text);
                    }
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
            }
        }
    }

    /// Receives replies until the consumer ends, or none arrives while requests time out. Returns whether that is so.
    async fn receive_from(&self, consumer: &mut Consumer) -> bool {
        self.open.claimed();
        loop {
            tokio::select! {
                next = consumer.next() => match next {
                    Some(Ok(delivery)) => {
                        self.open.replied();
                        receive_reply(&self.open, delivery);
                    }
                    _ => return false,
                },
                () = self.open.is_silent(SILENT_TIMEOUTS * self.timeout) => return true,
            }
        }
    }
}

/// Claims the first free one of the service's reply queues. The broker ensures that it has no other consumer; it is
/// free again when the connection is closed. The search starts anywhere, so that instances rarely collide.
async fn claim(service: &str, first: usize, link: &Link) -> Result<(Channel, ReplyQueue, Consumer), ClaimError> {
    let mut refused = None;
    for queue in reply_queues(service).cycle().skip(first).take(REPLY_QUEUES) {
        // A refusal closes the channel.
        let options = BasicConsumeOptions { no_ack: true, exclusive: true, ..Default::default() };
        match link.consume(&queue, UNLIMITED, options, FieldTable::default(), TIMEOUT).await {
            Ok((channel, consumer)) => return Ok((channel, queue.into(), consumer)),
            Err(missing) if missing.is_missing() => {
                return Err(ClaimError::Missing { service: service.to_owned(), missing });
            }
            Err(error) => refused = Some(error),
        }
    }
    Err(ClaimError::NoneFree(refused.unwrap_or(BrokerError::Closed)))
}

/// Why no reply queue was claimed.
#[derive(Debug, thiserror::Error)]
enum ClaimError {
    #[error("{missing}: run `{service} topology apply` as the broker's administrator")]
    Missing { service: String, missing: BrokerError },
    #[error("none of the {REPLY_QUEUES} queues for replies is free: {0}")]
    NoneFree(BrokerError),
}

/// Passes a reply on, if the service that was asked has sent it.
fn receive_reply(open: &PendingReplies, delivery: Delivery) {
    let Some(id) = answered_request(&delivery) else { return };
    // If the caller no longer waits, the reply is not needed.
    let asked = open.asked(id);
    let Some(first) = asked.first() else { return };
    let sender = delivery.properties.user_id().as_ref().map(|user| user.as_str().to_owned());
    let Some(sender) = sender.as_deref().filter(|sender| asked.contains(sender)) else {
        counter!("replies_forged_total", "asked" => *first).increment(1);
        warn!(message.id = %id, asked = first, sender, "dropped a reply that another service than the one asked has sent");
        return;
    };
    let too_large = checks::reply_size(delivery.data.len());
    open.finish(id, sender, &too_large.and_then(|()| read_reply(delivery)));
}

fn answered_request(delivery: &Delivery) -> Option<Uuid> {
    delivery.properties.correlation_id().as_ref().and_then(|id| id.as_str().parse().ok())
}

fn read_reply(delivery: Delivery) -> Reply {
    let is_problem = delivery.properties.content_type().as_ref().is_some_and(|form| form.as_str() == PROBLEM_JSON);
    if !is_problem {
        return Ok(delivery.data);
    }
    Err(serde_json::from_slice(&delivery.data)
        .unwrap_or_else(|_| Problem::new(502, "unreadable-reply", "the service sent an unreadable reply")))
}
