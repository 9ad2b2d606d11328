//! Calling another service.

use std::{sync::Arc, time::Duration};

use events::{Envelope, Request, TraceParent};
use lapin::{BasicProperties, Confirmation, message::BasicReturnMessage};
use metrics::{counter, histogram};
use tokio::{sync::watch, time::Instant};
use tracing::{error, warn};
use uuid::Uuid;

use super::{
    pending::{PendingReplies, Reply},
    receiving::{Receiving, ReplyQueue},
    unconfirmed::Unconfirmed,
};
use crate::{
    environment::Environment,
    failure::{Failure, Problem},
    messaging::rabbit::{Link, RabbitPublisher, properties, send},
    stop::Stop,
    store::checks,
    supervision::{Failing, supervised},
    telemetry::report_bug,
};

/// How long a request waits for a connection to the broker. A lost one is usually replaced within a second; a longer
/// wait would only fill the service with requests that cannot be sent.
const CONNECTS_WITHIN: Duration = Duration::from_secs(2);

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
        let requests = Self { receiving, ..Self::of_nobody(service, publisher, timeout, environment.clone()) };
        let (service, open) = (requests.service.clone(), requests.open.clone());
        let receiving = Receiving { service, environment, open, timeout, announce: Arc::new(announce) };
        tokio::spawn(supervised("replies", Failing::default(), stop.clone(), move || {
            receiving.clone().run(replies.clone(), stop.clone())
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
        let asked_at = Instant::now();
        let asked = async {
            let connected = tokio::time::timeout(CONNECTS_WITHIN, self.connected()).await;
            let queue = connected.unwrap_or_else(|_| Err(Problem::unavailable(NOT_CONNECTED)))?;
            self.publish::<R>(&body, properties.with_reply_to((*queue).into())).await?;
            pending.reply().await
        };
        match tokio::time::timeout(self.timeout, asked).await {
            Ok(reply) => reply,
            Err(_) => {
                self.open.timed_out(asked_at);
                Err(no_reply(R::SERVICE))
            }
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
        // A queue that does not respond must not hold up requests to other services.
        let unconfirmed = tokio::time::timeout(CONNECTS_WITHIN, self.unconfirmed.one_more(R::SERVICE)).await;
        let Ok(Some(unconfirmed)) = unconfirmed else { return Err(Problem::unavailable(NOT_TAKEN)) };
        // An alarm may have been raised meanwhile. What is sent in an alarm goes out after it.
        if self.publisher.link().is_blocked() {
            return Err(Problem::unavailable(BLOCKED));
        }
        let sender = self.publisher.sender();
        let (channel, generation) = sender.channel().await.map_err(|_| unreachable())?;
        let exchange = format!("requests.{}", R::SERVICE);
        let id = id_in(&properties);
        let sent = send(&channel, &exchange, R::KEY, body, properties).await;
        let Ok(confirm) = sent else {
            sender.give_up(generation).await;
            return Err(unreachable());
        };
        // The reply is the actual confirm; this one only reports early that no reply will come.
        let open = self.open.clone();
        tokio::spawn(async move {
            let fail = |id: Option<Uuid>, asked: &str, problem| {
                if let Some(id) = id {
                    open.finish(id, asked, &Err(problem));
                }
            };
            match unconfirmed.confirmed(&channel, confirm).await {
                Some(Ok(Confirmation::Nack(returned))) => {
                    // Its queue has rejected it, or has died after the service had received it.
                    fail(id, R::SERVICE, no_reply(R::SERVICE));
                    fail_returned(returned, fail);
                }
                Some(Ok(Confirmation::Ack(returned))) => fail_returned(returned, fail),
                // Other requests on the channel fail with the same error.
                Some(Err(error)) if error.to_string().contains(&format!("no exchange '{exchange}'")) => {
                    fail(id, R::SERVICE, Problem::unavailable(UNROUTABLE));
                }
                Some(Ok(Confirmation::NotRequested) | Err(_)) | None => {}
            }
        });
        Ok(())
    }
}

/// Fails the request that the broker returned with a confirm: any on the same channel, to any service.
fn fail_returned(returned: Option<BasicReturnMessage>, fail: impl Fn(Option<Uuid>, &str, Problem)) {
    let Some(returned) = returned else { return };
    let exchange = returned.delivery.exchange.as_str();
    let asked = exchange.strip_prefix("requests.").unwrap_or(exchange);
    fail(id_in(&returned.delivery.properties), asked, Problem::unavailable(UNROUTABLE));
}

/// The problem of a request that may have been executed.
fn no_reply(service: &str) -> Problem {
    Problem::new(504, "no-reply", format!("{service} did not respond in time: try again"))
}

/// The text of a problem: no queue takes the request.
const UNROUTABLE: &str = "the service that serves this request is not available";

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

fn id_in(properties: &BasicProperties) -> Option<Uuid> {
    properties.message_id().as_ref()?.as_str().parse().ok()
}
