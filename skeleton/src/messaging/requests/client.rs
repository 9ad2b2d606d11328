//! Asking another service.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use events::{Envelope, Request, TraceParent};
use futures::StreamExt;
use lapin::{
    BasicProperties, Channel, Confirmation, Consumer, message::Delivery, options::BasicConsumeOptions,
    types::FieldTable,
};
use metrics::{counter, histogram};
use tokio::{
    sync::{oneshot, watch},
    time::Instant,
};
use tracing::{error, warn};
use uuid::Uuid;

use super::PROBLEM_JSON;
use crate::{
    environment::Environment,
    failure::{Failure, Problem},
    messaging::{
        rabbit::{BrokerError, Link, PATIENCE, RabbitPublisher, properties, send},
        topology::{REPLY_QUEUES, reply_queues},
    },
    stop::Stop,
    store::checks,
    supervision::{Failing, supervised},
    telemetry::report_bug,
};

/// What is not acknowledged is not limited either.
const UNLIMITED: u16 = 0;

type Reply = Result<Vec<u8>, Problem>;

/// The queue that this instance gets its replies from; another after each new connection.
type ReplyQueue = Arc<str>;

/// The requests in the air, by id.
type PendingReplies = Arc<Mutex<HashMap<Uuid, oneshot::Sender<Reply>>>>;

/// Asks other services and waits for their replies. A clone asks over the same queue.
#[derive(Clone)]
pub struct Requests {
    service: Arc<str>,
    publisher: Arc<RabbitPublisher>,
    open: PendingReplies,
    receiving: watch::Receiver<Option<ReplyQueue>>,
    timeout: Duration,
    environment: Environment,
}

/// For whom and how something is asked.
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestOptions {
    /// The account on whose behalf.
    pub actor: Option<Uuid>,
    /// The trace it belongs to.
    pub trace: Option<TraceParent>,
    /// The same id again gets the first reply again; new where absent.
    pub id: Option<Uuid>,
}

impl Requests {
    /// A client of a service's instance. Its replies come over `replies`, its requests go over `publisher`.
    pub fn start(
        service: &str,
        replies: Link,
        publisher: Arc<RabbitPublisher>,
        timeout: Duration,
        environment: Environment,
        stop: Stop,
    ) -> Self {
        let (announce, receiving) = watch::channel(None);
        let requests = Self {
            service: service.into(),
            publisher,
            open: PendingReplies::default(),
            receiving,
            timeout,
            environment,
        };
        let (receiver, announce) = (requests.clone(), Arc::new(announce));
        tokio::spawn(supervised("replies", Failing::default(), stop.clone(), move || {
            receive(receiver.clone(), replies.clone(), announce.clone(), stop.clone())
        }));
        requests
    }

    /// A client of a service that asks nobody: it has no queue for replies.
    pub fn of_nobody(
        service: &str,
        publisher: Arc<RabbitPublisher>,
        timeout: Duration,
        environment: Environment,
    ) -> Self {
        let (_, receiving) = watch::channel(None);
        Self { service: service.into(), publisher, open: PendingReplies::default(), receiving, timeout, environment }
    }

    /// Asks, and waits for the reply.
    ///
    /// # Errors
    /// The answerer's problem; 503 where nobody takes the request, 504 where no reply comes in time.
    pub async fn call<R: Request>(&self, request: &R, asking: RequestOptions) -> Result<R::Reply, Problem> {
        let asked_at = Instant::now();
        let reply = self.exchange(request, asking).await;
        let outcome = reply.as_ref().map_or_else(|problem| problem.status.to_string(), |_| "200".to_owned());
        histogram!("request_duration_seconds", "name" => R::NAME).record(asked_at.elapsed().as_secs_f64());
        counter!("requests_asked_total", "name" => R::NAME, "status" => outcome).increment(1);
        let reply = reply?;
        serde_json::from_slice(&reply).map_err(|error| {
            warn!(name = R::NAME, %error, "a reply cannot be read");
            Problem::new(502, "unreadable-reply", "the service answered in a form that cannot be read")
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
            // The limit that counts: the broker drops what waits longer, and the answerer counts from its receipt.
            .with_expiration(self.timeout.as_millis().to_string().into());
        let (answer, reply) = oneshot::channel();
        let _guard = Registered::new(self.open.clone(), id, answer);
        let asked = async {
            // A reply that comes before its queue is there is lost.
            let mut receiving = self.receiving.clone();
            let queue = receiving.wait_for(Option::is_some).await.map(|queue| queue.clone().unwrap_or_default());
            let queue = queue.map_err(|_| Problem::unavailable("the service is stopping, or is to ask nobody"))?;
            self.publish::<R>(&body, properties.with_reply_to((*queue).into())).await?;
            reply.await.map_err(|_| Problem::unavailable("the request was given up: try again"))?
        };
        match tokio::time::timeout(self.timeout, asked).await {
            Ok(reply) => reply,
            Err(_) => Err(Problem::new(504, "no-reply", format!("{} did not answer in time: try again", R::SERVICE))),
        }
    }

    async fn publish<R: Request>(&self, body: &[u8], properties: BasicProperties) -> Result<(), Problem> {
        let (sender, unreachable) = (self.publisher.sender(), || Problem::unavailable("the broker cannot be reached"));
        let (channel, generation) = sender.channel().await.map_err(|_| unreachable())?;
        let sent = send(&channel, &format!("requests.{}", R::SERVICE), R::KEY, body, properties).await;
        let Ok(confirm) = sent else {
            sender.give_up(generation).await;
            return Err(unreachable());
        };
        // The reply is the true confirm; this one only says early that nobody takes the request.
        let open = self.open.clone();
        tokio::spawn(async move {
            if let Ok(Confirmation::Ack(Some(returned))) = confirm.await {
                let id = returned.delivery.properties.message_id().as_ref().and_then(|id| id.as_str().parse().ok());
                finish(&open, id, Err(Problem::unavailable("the service that answers this is not there")));
            }
        });
        Ok(())
    }
}

/// A request that must not be sent.
fn refused(failure: Failure) -> Problem {
    if let Failure::Bug(bug) = &failure {
        report_bug(&bug.text);
        error!(reason = bug.text, "a request must not be sent");
    }
    failure.into_problem()
}

/// A request in the air; dropped, it is forgotten.
struct Registered {
    open: PendingReplies,
    id: Uuid,
}

impl Registered {
    fn new(open: PendingReplies, id: Uuid, answer: oneshot::Sender<Reply>) -> Self {
        open.lock().unwrap_or_else(PoisonError::into_inner).insert(id, answer);
        Self { open, id }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

fn finish(open: &PendingReplies, id: Option<Uuid>, reply: Reply) {
    let Some(id) = id else { return };
    let waiting = open.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    if let Some(waiting) = waiting {
        // Nobody waits any more: then nobody misses it.
        let _ = waiting.send(reply);
    }
}

/// Takes replies in as long as the process lives. Announces from which queue.
async fn receive(requests: Requests, link: Link, announce: Arc<watch::Sender<Option<ReplyQueue>>>, stop: Stop) {
    announce.send_replace(None);
    let replies = async {
        loop {
            let first = (requests.environment.fraction() * REPLY_QUEUES as f64) as usize;
            match claim(&requests.service, first, &link).await {
                Ok((_channel, queue, mut consumer)) => {
                    announce.send_replace(Some(queue));
                    while let Some(Ok(delivery)) = consumer.next().await {
                        finish(&requests.open, answered_request(&delivery), read_reply(delivery));
                    }
                    announce.send_replace(None);
                }
                Err(error) => {
                    warn!(%error, "replies cannot be received: trying until they can");
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

/// Takes one of the service's queues for replies, the first that no other instance has. The broker sees to it that
/// nobody else consumes it; it is free again when the connection is gone. Begins anywhere, so that instances do not meet.
async fn claim(service: &str, first: usize, link: &Link) -> Result<(Channel, ReplyQueue, Consumer), ClaimError> {
    let mut refused = None;
    for queue in reply_queues(service).cycle().skip(first).take(REPLY_QUEUES) {
        // Being refused costs the channel.
        let options = BasicConsumeOptions { no_ack: true, exclusive: true, ..Default::default() };
        match link.consume(&queue, UNLIMITED, options, FieldTable::default(), PATIENCE).await {
            Ok((channel, consumer)) => return Ok((channel, queue.into(), consumer)),
            Err(missing @ BrokerError::NotFound(_)) => {
                return Err(ClaimError::Missing { service: service.to_owned(), missing });
            }
            Err(error) => refused = Some(error),
        }
    }
    Err(ClaimError::NoneFree(refused.unwrap_or(BrokerError::Closed)))
}

/// Why no queue for replies could be taken.
#[derive(Debug, thiserror::Error)]
enum ClaimError {
    #[error("{missing}: run `{service} topology apply` as the broker's administrator")]
    Missing { service: String, missing: BrokerError },
    #[error("none of the {REPLY_QUEUES} queues for replies is free: {0}")]
    NoneFree(BrokerError),
}

fn answered_request(delivery: &Delivery) -> Option<Uuid> {
    delivery.properties.correlation_id().as_ref().and_then(|id| id.as_str().parse().ok())
}

fn read_reply(delivery: Delivery) -> Reply {
    let is_problem = delivery.properties.content_type().as_ref().is_some_and(|form| form.as_str() == PROBLEM_JSON);
    if !is_problem {
        return Ok(delivery.data);
    }
    Err(serde_json::from_slice(&delivery.data).unwrap_or_else(|_| {
        Problem::new(502, "unreadable-reply", "the service answered in a form that cannot be read")
    }))
}
