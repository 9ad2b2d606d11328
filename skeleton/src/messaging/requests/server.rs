//! Serving requests of other services.

use std::{collections::VecDeque, num::NonZeroU32, sync::Arc, time::Duration};

use events::Envelope;
use futures::{FutureExt, StreamExt};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use lapin::{
    Acker, Channel, Consumer,
    message::Delivery,
    options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicRejectOptions},
    types::FieldTable,
};
use metrics::{counter, histogram};
use tokio::{sync::Semaphore, time::Instant};
use tracing::{Instrument, error, warn};

use super::{
    once_a_minute,
    replies::{Replies, ReplyTo},
    reply_properties,
};
use crate::{
    config::RequestSettings,
    failure::{Failure, HandlerResult, Problem},
    messaging::{
        Incoming,
        handlers::{Answer, Prepared, ReadContext, RequestHandlers},
        rabbit::{BrokerError, Link, TIMEOUT, answered, incoming},
        topology::is_reply_queue,
    },
    panics,
    stop::Stop,
    store::{ServiceContext, Store, Transaction, checks},
    telemetry,
};

/// The time limit of a request whose caller sets none.
const DEFAULT_TIME: Duration = Duration::from_secs(60);

/// The wait after the broker refused the consumer; it doubles each time, up to the longest.
const PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Serves the requests of one service.
pub struct Server<S: Store> {
    service: Arc<ServiceContext>,
    store: S,
    answers: RequestHandlers<S>,
    limits: DefaultKeyedRateLimiter<String>,
    /// Limits the log lines about dropped requests of each name and reason.
    drop_logs: DefaultKeyedRateLimiter<(String, &'static str)>,
    settings: RequestSettings,
    callers: Vec<String>,
    queue: String,
}

/// A received request. Its time counts from here by this process's monotonic clock: the caller's clock may differ.
struct Received {
    message: Incoming,
    acker: Acker,
    at: Instant,
}

impl Received {
    fn now(delivery: Delivery) -> Self {
        Self { acker: delivery.acker.clone(), message: incoming(delivery), at: Instant::now() }
    }

    /// The rest of the time that the caller waits.
    fn time_left(&self) -> Duration {
        self.message.headers.time_to_live().unwrap_or(DEFAULT_TIME).saturating_sub(self.at.elapsed())
    }
}

impl<S: Store> Server<S> {
    /// A server of the queue `<service>.requests`.
    pub fn new(service: Arc<ServiceContext>, store: S, answers: RequestHandlers<S>, settings: RequestSettings) -> Self {
        let per_second = NonZeroU32::new(settings.per_caller_per_second).unwrap_or(NonZeroU32::MIN);
        let queue = format!("{}.requests", service.name);
        Self {
            service,
            store,
            callers: answers.callers(),
            answers,
            limits: RateLimiter::keyed(Quota::per_second(per_second)),
            drop_logs: once_a_minute(),
            settings,
            queue,
        }
    }
}

/// Serves requests until the service stops, and then finishes those in progress.
pub async fn serve<S: Store>(server: Arc<Server<S>>, consuming: Link, replying: Link, stop: Stop) {
    let slots = Arc::new(Semaphore::new(server.settings.concurrency));
    let replies = Arc::new(Replies::new(replying));
    let mut pause = PAUSE;
    let mut last = None;
    while !stop.is_stopped() {
        let opened = tokio::select! {
            () = stop.stopped() => break,
            opened = open(&server, &consuming) => opened,
        };
        let Ok((channel, mut requests)) = opened else {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            continue;
        };
        pause = PAUSE;
        // Received at once, so that the time spent waiting for a slot is known. The prefetch limits how many wait.
        let mut waiting = VecDeque::new();
        loop {
            tokio::select! {
                biased;
                () = stop.stopped() => break,
                next = requests.next() => match next {
                    Some(Ok(delivery)) => waiting.push_back(Received::now(delivery)),
                    _ => break,
                },
                Ok(slot) = slots.clone().acquire_owned(), if !waiting.is_empty() => {
                    let Some(received) = waiting.pop_front() else { continue };
                    let (server, replies) = (server.clone(), replies.clone());
                    tokio::spawn(async move {
                        server.answer(&received, &replies).await;
                        // If the channel is lost, the request is redelivered, and a command gets its first reply.
                        let _ = received.acker.ack(BasicAckOptions::default()).await;
                        drop(slot);
                    });
                }
            }
        }
        if stop.is_stopped() {
            hand_back(&channel, &mut requests, waiting).await;
            last = Some(channel);
        } else {
            warn!(queue = server.queue, "the consumer of requests ended; opening another");
        }
    }
    // Every slot is free again: all requests in progress are answered.
    let all = u32::try_from(server.settings.concurrency).unwrap_or(u32::MAX);
    let _ = slots.acquire_many(all).await;
    replies.finish().await;
    if let Some(channel) = last {
        let _ = answered(channel.close(200, "bye".into())).await;
    }
}

/// Cancels the consumer, and returns unstarted requests to the queue for another replica at once: their callers wait.
async fn hand_back(channel: &Channel, requests: &mut Consumer, waiting: VecDeque<Received>) {
    let _ = answered(channel.basic_cancel(requests.tag(), BasicCancelOptions::default())).await;
    let mut ackers: Vec<Acker> = waiting.into_iter().map(|received| received.acker).collect();
    while let Some(Some(Ok(delivery))) = requests.next().now_or_never() {
        ackers.push(delivery.acker);
    }
    for acker in ackers {
        // If the channel is lost, the broker redelivers it to another replica all the same.
        let _ = acker.reject(BasicRejectOptions { requeue: true }).await;
    }
}

async fn open<S: Store>(server: &Server<S>, consuming: &Link) -> Result<(Channel, Consumer), BrokerError> {
    let prefetch = u16::try_from(server.settings.concurrency * 2).unwrap_or(u16::MAX);
    let (options, arguments) = (BasicConsumeOptions::default(), FieldTable::default());
    let opened = consuming.consume(&server.queue, prefetch, options, arguments, TIMEOUT).await;
    if let Err(error) = &opened {
        warn!(queue = server.queue, %error, "failed to receive requests; retrying");
    }
    opened
}

impl<S: Store> Server<S> {
    /// Handles a request and sends the reply, unless the request must be dropped.
    async fn answer(&self, received: &Received, replies: &Arc<Replies>) {
        let message = &received.message;
        let (Ok(envelope), Some(caller), Some(reply_to)) = (&message.envelope, &message.user, &message.reply_to) else {
            return self.count_dropped(message, "unreadable");
        };
        let answering = async {
            if !self.callers.contains(caller) {
                // The caller is not declared, so its reply exchange is not writable: trying would cost the connection.
                return self.count_dropped(message, "undeclared-caller");
            }
            if !is_reply_queue(caller, reply_to) {
                return self.count_dropped(message, "unknown-reply-queue");
            }
            let began = Instant::now();
            let answered = match received.time_left() {
                Duration::ZERO => return self.count_dropped(message, "expired"),
                _ if self.limits.check_key(caller).is_err() => Err(slow_down().into()),
                time_left => self.work_out(envelope, caller, &message.body, time_left).await,
            };
            let (body, status) = to_body(envelope, answered);
            let reply = ReplyTo {
                request: envelope.name.clone(),
                caller: caller.clone(),
                queue: reply_to.clone(),
                body,
                properties: reply_properties(&envelope.id.to_string(), replies.user(), status != 200),
                time_left: received.time_left(),
            };
            replies.send(reply).await;
            let name = || envelope.name.clone();
            histogram!("request_handling_seconds", "name" => name()).record(began.elapsed().as_secs_f64());
            counter!("requests_answered_total", "name" => name(), "status" => status.to_string()).increment(1);
        };
        answering.instrument(telemetry::message_span(envelope)).await
    }

    /// Counts a request that gets no reply, and logs it unless a similar one was logged recently.
    fn count_dropped(&self, message: &Incoming, reason: &'static str) {
        let name = message.envelope.as_ref().map_or("", |envelope| envelope.name.as_str());
        let name = telemetry::label(name, self.answers.handlers.contains_key(name));
        counter!("requests_dropped_total", "name" => name.to_owned(), "reason" => reason).increment(1);
        if self.drop_logs.check_key(&(name.to_owned(), reason)).is_ok() {
            let (queue, caller) = (&self.queue, message.user.as_deref());
            warn!(queue, message.name = name, caller, reason, "request dropped without a reply");
        }
    }

    async fn work_out(
        &self,
        envelope: &Envelope,
        caller: &String,
        body: &[u8],
        time_left: Duration,
    ) -> HandlerResult<Vec<u8>> {
        let Some(answer) = self.answers.handlers.get(envelope.name.as_str()) else {
            return Err(Problem::new(
                501,
                "unknown-request",
                format!("{} does not serve {}", self.service.name, envelope.name),
            )
            .into());
        };
        if !self.answers.callers_of.get(envelope.name.as_str()).is_some_and(|callers| callers.contains(caller)) {
            let detail = format!("{} does not serve {} for {caller}", self.service.name, envelope.name);
            return Err(Problem::new(403, "not-for-you", detail).into());
        }
        let answering = async {
            match answer {
                Answer::Read(handler) => handler(body.to_vec(), self.reading()).await,
                Answer::Write(prepare) => self.write(envelope, prepare(body, self.reading()).await).await,
                Answer::WriteWithoutStoredReply(prepare) => {
                    self.write_without_stored_reply(envelope, prepare(body, self.reading()).await?).await
                }
            }
        };
        match tokio::time::timeout(time_left, panics::caught(answering)).await {
            Ok(Ok(answered)) => answered,
            Ok(Err(panicked)) => Err(Failure::Bug(panicked)),
            Err(_) => Err(Failure::retry("the deadline of this request has passed")),
        }
    }

    /// Handles it once, and stores the reply for repeats.
    async fn write(&self, envelope: &Envelope, prepared: HandlerResult<Prepared<S::Tx>>) -> HandlerResult<Vec<u8>> {
        let mut tx = self.store.begin(&self.service, &[envelope.id]).await?;
        if !tx.is_new(envelope.id) {
            let first = tx.first_reply(envelope.id).await?;
            tx.rollback().await;
            return first.ok_or_else(|| Failure::retry("the first reply to this request is unknown"));
        }
        tx.unit_of_work_mut().caused_by(envelope);
        let answered = match prepared {
            Ok(rest) => rest(&mut tx).await,
            Err(failure) => Err(failure),
        };
        match answered {
            Ok(reply) => {
                tx.keep_reply(envelope.id, &reply).await?;
                tx.commit().await?;
                Ok(reply)
            }
            Err(failure) => {
                tx.rollback().await;
                Err(failure)
            }
        }
    }

    /// Handles it each time. A refusal commits as well: failures that the handler counted are kept.
    async fn write_without_stored_reply(
        &self,
        envelope: &Envelope,
        prepared: Prepared<S::Tx>,
    ) -> HandlerResult<Vec<u8>> {
        let mut tx = self.store.begin(&self.service, &[]).await?;
        tx.unit_of_work_mut().caused_by(envelope);
        let answered = prepared(&mut tx).await;
        match &answered {
            Ok(_) | Err(Failure::Reject(_)) => tx.commit().await?,
            Err(Failure::Retry(_) | Failure::Drop(_) | Failure::Bug(_)) => tx.rollback().await,
        }
        answered
    }

    fn reading(&self) -> ReadContext<S> {
        ReadContext::new(self.store.clone(), self.service.clone())
    }
}

/// The body of a reply, and its status.
fn to_body(request: &Envelope, answered: HandlerResult<Vec<u8>>) -> (Vec<u8>, u16) {
    let within_limit = |body: Vec<u8>| checks::reply_size(body.len()).map(|()| body).map_err(Failure::from);
    let failure = match answered.and_then(within_limit) {
        Ok(body) => return (body, 200),
        Err(failure) => failure,
    };
    match &failure {
        Failure::Bug(bug) => {
            telemetry::report_bug_in(&bug.text, request.trace);
            error!(message.name = request.name, message.id = %request.id, reason = bug.text, stack = bug.stack, "request failed with a bug");
        }
        Failure::Retry(reason) => {
            warn!(message.name = request.name, message.id = %request.id, %reason, "request failed")
        }
        Failure::Reject(_) | Failure::Drop(_) => {}
    }
    let problem = failure.into_problem();
    (serde_json::to_vec(&problem).unwrap_or_default(), problem.status)
}

fn slow_down() -> Problem {
    let problem = Problem::new(429, "too-many-requests", "too many requests from this caller: slow down");
    Problem { retry_after: Some(1), ..problem }
}
