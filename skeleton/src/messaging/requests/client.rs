//! Calling another service.

use std::{sync::Arc, time::Duration};

use events::{Envelope, Request, TraceParent};
use futures::StreamExt;
use lapin::{
    BasicProperties, Channel, Confirmation, Consumer, message::Delivery, options::BasicConsumeOptions,
    types::FieldTable,
};
use metrics::{counter, histogram};
use tokio::{sync::watch, time::Instant};
use tracing::{error, info, warn};
use uuid::Uuid;

use super::{
    PROBLEM_JSON,
    pending::{PendingReplies, Reply},
    unconfirmed::Unconfirmed,
};
use crate::{
    environment::Environment,
    failure::{Failure, Problem},
    messaging::{
        rabbit::{BrokerError, Link, RabbitPublisher, TIMEOUT, properties, send},
        topology::{REPLY_QUEUES, reply_queues},
    },
    stop::Stop,
    store::checks,
    supervision::{Failing, supervised},
    telemetry::report_bug,
};

/// Prefetch does not apply without acknowledgements.
const UNLIMITED: u16 = 0;

/// How long a request waits for a connection to the broker. A lost one is usually replaced within a second; a longer
/// wait would only fill the service with requests that cannot be sent.
const CONNECTS_WITHIN: Duration = Duration::from_secs(2);

/// The queue of this instance's replies; a new one after each reconnect.
type ReplyQueue = Arc<str>;

/// Sends requests to other services and waits for their replies. Clones share a reply queue.
#[derive(Clone)]
pub struct Requests {
    service: Arc<str>,
    publisher: Arc<RabbitPublisher>,
    open: PendingReplies,
    unconfirmed: Unconfirmed,
    receiving: watch::Receiver<Option<ReplyQueue>>,
    timeout: Duration,
    environment: Environment,
}

/// Options of a request.
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestOptions {
    /// The account on whose behalf it is sent.
    pub actor: Option<Uuid>,
    /// The trace it belongs to.
    pub trace: Option<TraceParent>,
    /// The idempotency key: a repeat with it gets the first reply. New if absent.
    pub id: Option<Uuid>,
}

impl Requests {
    /// The client of a service's instance. Replies arrive over `replies`, requests are sent over `publisher`.
    pub fn start(
        service: &str,
        replies: Link,
        publisher: Arc<RabbitPublisher>,
        timeout: Duration,
        environment: Environment,
        stop: Stop,
    ) -> Self {
        let (announce, receiving) = watch::channel(None);
        let requests = Self { receiving, ..Self::of_nobody(service, publisher, timeout, environment) };
        let (receiver, announce) = (requests.clone(), Arc::new(announce));
        tokio::spawn(supervised("replies", Failing::default(), stop.clone(), move || {
            receive(receiver.clone(), replies.clone(), announce.clone(), stop.clone())
        }));
        requests
    }

    /// The client of a service that calls no other: it has no reply queue.
    pub fn of_nobody(
        service: &str,
        publisher: Arc<RabbitPublisher>,
        timeout: Duration,
        environment: Environment,
    ) -> Self {
        let (_, receiving) = watch::channel(None);
        Self {
            service: service.into(),
            publisher,
            open: PendingReplies::default(),
            unconfirmed: Unconfirmed::new(),
            receiving,
            timeout,
            environment,
        }
    }

    /// Sends a request, and waits for the reply.
    ///
    /// # Errors
    /// The called service's problem; 503 if the broker is unreachable or the request unroutable, 504 if no reply comes in
    /// time.
    pub async fn call<R: Request>(&self, request: &R, asking: RequestOptions) -> Result<R::Reply, Problem> {
        let asked_at = Instant::now();
        let reply = self.exchange(request, asking).await;
        let outcome = reply.as_ref().map_or_else(|problem| problem.status.to_string(), |_| "200".to_owned());
        histogram!("request_duration_seconds", "name" => R::NAME).record(asked_at.elapsed().as_secs_f64());
        counter!("requests_asked_total", "name" => R::NAME, "status" => outcome).increment(1);
        let reply = reply?;
        serde_json::from_slice(&reply).map_err(|error| {
            warn!(name = R::NAME, %error, "failed to read a reply");
            Problem::new(502, "unreadable-reply", "the service sent an unreadable reply")
        })
    }

    async fn exchange<R: Request>(&self, request: &R, asking: RequestOptions) -> Reply {
        let body =
            serde_json::to_vec(request).map_err(|error| Problem::new(500, "internal-error", error.to_string()))?;
        let subject = request.subject();
        checks::subject(subject.as_deref()).and_then(|()| checks::schema::<R>(&body)).map_err(refused)?;
        let now = self.environment.now();
        let id = asking.id.unwrap_or_else(|| self.environment.new_message_id());
        let envelope = Envelope {
            id,
            name: R::NAME.to_owned(),
            source: format!("/{}", self.service),
            time: now,
            subject,
            sequence: None,
            trace: Some(self.environment.child_of(asking.trace)),
            correlation_id: None,
            causation_id: None,
            actor: asking.actor,
            deadline: Some(now + self.timeout),
        };
        let properties = properties(&envelope, self.publisher.link().user())
            // The effective limit: the broker drops requests that wait longer, and the server counts from its receipt.
            .with_expiration(self.timeout.as_millis().to_string().into());
        let mut pending = self.open.wait_for(id, R::SERVICE);
        let asked = async {
            let connected = tokio::time::timeout(CONNECTS_WITHIN, self.connected()).await;
            let queue = connected.unwrap_or_else(|_| Err(Problem::unavailable(NOT_CONNECTED)))?;
            self.publish::<R>(&body, properties.with_reply_to((*queue).into())).await?;
            pending.reply().await
        };
        match tokio::time::timeout(self.timeout, asked).await {
            Ok(reply) => reply,
            Err(_) => Err(Problem::new(504, "no-reply", format!("{} did not respond in time: try again", R::SERVICE))),
        }
    }

    /// Waits for both connections. A reply that arrives before its queue exists is lost.
    async fn connected(&self) -> Result<ReplyQueue, Problem> {
        let mut receiving = self.receiving.clone();
        let queue = receiving.wait_for(Option::is_some).await.map(|queue| queue.clone().unwrap_or_default());
        let queue =
            queue.map_err(|_| Problem::unavailable("the service is stopping, or must not call other services"))?;
        self.publisher.sender().channel().await.map_err(|_| unreachable())?;
        Ok(queue)
    }

    async fn publish<R: Request>(&self, body: &[u8], properties: BasicProperties) -> Result<(), Problem> {
        if self.publisher.link().is_blocked() {
            return Err(Problem::unavailable(BLOCKED));
        }
        // A queue that does not respond must not hold up requests to other services.
        let unconfirmed = tokio::time::timeout(CONNECTS_WITHIN, self.unconfirmed.one_more(R::SERVICE)).await;
        let Ok(Some(unconfirmed)) = unconfirmed else { return Err(Problem::unavailable(NOT_TAKEN)) };
        let sender = self.publisher.sender();
        let (channel, generation) = sender.channel().await.map_err(|_| unreachable())?;
        let exchange = format!("requests.{}", R::SERVICE);
        let id = id_in(&properties);
        let sent = send(&channel, &exchange, R::KEY, body, properties).await;
        let Ok(confirm) = sent else {
            sender.give_up(generation).await;
            return Err(unreachable());
        };
        // The reply is the actual confirm; this one only reports early that the request is unroutable.
        let open = self.open.clone();
        tokio::spawn(async move {
            let Some(confirm) = unconfirmed.confirmed(&channel, confirm).await else { return };
            let missing = match confirm {
                Ok(Confirmation::Ack(Some(returned))) => id_in(&returned.delivery.properties),
                // Other requests on the channel fail with the same error.
                Err(error) if error.to_string().contains(&format!("no exchange '{exchange}'")) => id,
                // Its queue has rejected it, or has died.
                Ok(Confirmation::Nack(_)) => id,
                Ok(_) | Err(_) => None,
            };
            if let Some(id) = missing {
                let missing = Err(Problem::unavailable("the service that serves this request is not available"));
                open.finish(id, R::SERVICE, &missing);
            }
        });
        Ok(())
    }
}

/// The text of a problem: see [`CONNECTS_WITHIN`].
const NOT_CONNECTED: &str =
    "there is no connection to the broker, or no free queue for replies: the request was not sent";

/// The text of a problem: too many requests to the service have no confirm of the broker.
const NOT_TAKEN: &str = "the queue of the service that serves this request does not respond: the request was not sent";

/// The text of a problem: the broker has raised an alarm.
const BLOCKED: &str = "the broker accepts no messages, because its memory or disk runs low: the request was not sent";

/// The problem of a request that was not sent.
fn unreachable() -> Problem {
    Problem::unavailable("the broker is unreachable: the request was not sent")
}

/// The problem of a request that must not be sent.
fn refused(failure: Failure) -> Problem {
    if let Failure::Bug(bug) = &failure {
        report_bug(&bug.text);
        error!(reason = bug.text, "request not sent because of a bug");
    }
    failure.into_problem()
}

/// Receives replies for the lifetime of the process. Announces its queue.
async fn receive(requests: Requests, link: Link, announce: Arc<watch::Sender<Option<ReplyQueue>>>, stop: Stop) {
    announce.send_replace(None);
    let replies = async {
        let mut reported = None;
        loop {
            let first = (requests.environment.fraction() * REPLY_QUEUES as f64) as usize;
            match claim(&requests.service, first, &link).await {
                Ok((_channel, queue, mut consumer)) => {
                    if reported.take().is_some() {
                        info!("receiving replies works again");
                    }
                    announce.send_replace(Some(queue));
                    while let Some(Ok(delivery)) = consumer.next().await {
                        receive_reply(&requests.open, delivery);
                    }
                    announce.send_replace(None);
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
    };
    tokio::select! {
        () = stop.stopped() => {}
        () = replies => {}
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

fn id_in(properties: &BasicProperties) -> Option<Uuid> {
    properties.message_id().as_ref()?.as_str().parse().ok()
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
