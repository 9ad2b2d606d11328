//! Answering other services.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use events::Envelope;
use futures::{FutureExt, StreamExt};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use lapin::{
    Channel, Consumer,
    options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicPublishOptions, BasicRejectOptions},
    types::FieldTable,
};
use metrics::{counter, histogram};
use tokio::{sync::Semaphore, time::Instant};
use tracing::{Instrument, error, warn};

use super::{reply_exchange, reply_properties};
use crate::{
    config::RequestSettings,
    failure::{Answered, Failure, Problem},
    messaging::{
        Incoming,
        handlers::{Answer, Answers, Prepared, Reading},
        rabbit::{Link, PATIENCE, Sender, answered, incoming},
    },
    panics,
    stop::Stop,
    store::{ServiceContext, Store, Transaction},
    telemetry,
};

/// Answers the requests of one service.
pub struct Server<S: Store> {
    service: Arc<ServiceContext>,
    store: S,
    answers: Answers<S>,
    limits: DefaultKeyedRateLimiter<String>,
    settings: RequestSettings,
    callers: Vec<String>,
    queue: String,
}

impl<S: Store> Server<S> {
    /// A server of the queue `<service>.requests`.
    pub fn new(service: Arc<ServiceContext>, store: S, answers: Answers<S>, settings: RequestSettings) -> Self {
        let per_second = NonZeroU32::new(settings.per_caller_per_second).unwrap_or(NonZeroU32::MIN);
        let queue = format!("{}.requests", service.name);
        Self {
            service,
            store,
            callers: answers.callers(),
            answers,
            limits: RateLimiter::keyed(Quota::per_second(per_second)),
            settings,
            queue,
        }
    }
}

/// Answers until told to stop, and then finishes what is in hand.
pub async fn serve<S: Store>(server: Arc<Server<S>>, consuming: Link, replying: Link, stop: Stop) {
    let slots = Arc::new(Semaphore::new(server.settings.concurrency));
    let replies = Arc::new(Sender::new(replying));
    while !stop.is_stopped() {
        let opened = tokio::select! {
            () = stop.stopped() => break,
            opened = open(&server, &consuming) => opened,
        };
        let Ok((channel, mut requests)) = opened else {
            tokio::time::sleep(Duration::from_millis(500)).await;
            continue;
        };
        loop {
            // The slot first: a request that was taken and waits for one could not be handed back.
            let next = async { (slots.clone().acquire_owned().await, requests.next().await) };
            let next = tokio::select! {
                biased;
                () = stop.stopped() => break,
                next = next => next,
            };
            let (Ok(slot), Some(Ok(delivery))) = next else { break };
            let (server, replies) = (server.clone(), replies.clone());
            let acker = delivery.acker.clone();
            let message = incoming(delivery);
            tokio::spawn(async move {
                server.answer(&message, &replies).await;
                // Lost with its channel: then the request comes again, and an order finds its first reply.
                let _ = acker.ack(BasicAckOptions::default()).await;
                drop(slot);
            });
        }
        if stop.is_stopped() {
            hand_back(&channel, &mut requests).await;
            // Every slot free again: all that was in hand is answered.
            let all = u32::try_from(server.settings.concurrency).unwrap_or(u32::MAX);
            let _ = slots.acquire_many(all).await;
            let _ = answered(channel.close(200, "bye".into())).await;
            return;
        }
        warn!(queue = server.queue, "requests no longer come in: opening the queue again");
    }
}

/// Takes no more requests, and gives those that nobody has begun with to another replica at once: their callers wait.
async fn hand_back(channel: &Channel, requests: &mut Consumer) {
    let _ = answered(channel.basic_cancel(requests.tag(), BasicCancelOptions::default())).await;
    while let Some(Some(Ok(delivery))) = requests.next().now_or_never() {
        // Lost with its channel: then the broker hands it to another replica all the same.
        let _ = delivery.acker.reject(BasicRejectOptions { requeue: true }).await;
    }
}

async fn open<S: Store>(server: &Server<S>, consuming: &Link) -> Result<(Channel, Consumer), String> {
    let prefetch = u16::try_from(server.settings.concurrency * 2).unwrap_or(u16::MAX);
    let (options, arguments) = (BasicConsumeOptions::default(), FieldTable::default());
    let opened = consuming.consume(&server.queue, prefetch, options, arguments, PATIENCE).await;
    if let Err(error) = &opened {
        warn!(queue = server.queue, error, "requests cannot be received: trying until they can");
    }
    opened
}

impl<S: Store> Server<S> {
    /// Works out the answer to a message and sends it, where someone still waits for it.
    async fn answer(&self, message: &Incoming, replies: &Sender) {
        let began = Instant::now();
        let (Ok(envelope), Some(caller), Some(reply_to)) = (&message.envelope, &message.user, &message.reply_to) else {
            counter!("requests_unreadable_total", "queue" => self.queue.clone()).increment(1);
            return;
        };
        if !self.callers.contains(caller) {
            // Not declared, so we may not write to its replies: trying would cost the connection.
            warn!(
                caller,
                message.name = envelope.name,
                "a request from a service that is not declared as a caller is dropped"
            );
            counter!("requests_undeclared_total", "queue" => self.queue.clone()).increment(1);
            return;
        }
        if envelope.deadline.is_some_and(|deadline| deadline < self.service.surroundings.now()) {
            counter!("requests_expired_total", "name" => envelope.name.clone()).increment(1);
            return;
        }
        let answered = if self.limits.check_key(caller).is_ok() {
            self.work_out(envelope, caller, &message.body).instrument(telemetry::message_span(envelope)).await
        } else {
            let slow_down =
                Problem::new(429, "too-many-requests", "this service gets more requests from you than it allows");
            Err(Problem { retry_after: Some(1), ..slow_down }.into())
        };
        let status = self.send(envelope, caller, reply_to, answered, replies).await;
        histogram!("request_handling_seconds", "name" => envelope.name.clone()).record(began.elapsed().as_secs_f64());
        counter!("requests_answered_total", "name" => envelope.name.clone(), "status" => status.to_string())
            .increment(1);
    }

    async fn work_out(&self, envelope: &Envelope, caller: &String, body: &[u8]) -> Answered<Vec<u8>> {
        let Some(answer) = self.answers.handlers.get(envelope.name.as_str()) else {
            return Err(Problem::new(
                501,
                "unknown-request",
                format!("{} does not answer {}", self.service.name, envelope.name),
            )
            .into());
        };
        if !self.answers.callers_of.get(envelope.name.as_str()).is_some_and(|callers| callers.contains(caller)) {
            let detail = format!("{} does not answer {} for {caller}", self.service.name, envelope.name);
            return Err(Problem::new(403, "not-for-you", detail).into());
        }
        let time_left = envelope.deadline.map_or(Duration::from_secs(60), |deadline| {
            (deadline - self.service.surroundings.now()).to_std().unwrap_or_default()
        });
        let answering = async {
            match answer {
                Answer::Read(handler) => handler(body.to_vec(), self.reading()).await,
                Answer::Write(prepare) => self.write(envelope, prepare(body, self.reading()).await).await,
                Answer::Repeat(prepare) => self.repeat(envelope, prepare(body, self.reading()).await?).await,
            }
        };
        match tokio::time::timeout(time_left, panics::caught(answering)).await {
            Ok(Ok(answered)) => answered,
            Ok(Err(panicked)) => Err(Failure::Bug(panicked)),
            Err(_) => Err(Failure::retry("the time for this request is over")),
        }
    }

    /// Once, with its reply kept for when the request comes again.
    async fn write(&self, envelope: &Envelope, prepared: Answered<Prepared<S::Tx>>) -> Answered<Vec<u8>> {
        let mut tx = self.store.begin(&self.service, &[envelope.id]).await?;
        if !tx.is_new(envelope.id) {
            let first = tx.first_reply(envelope.id).await?;
            tx.rollback().await;
            return first.ok_or_else(|| Failure::retry("the first reply to this request is not known"));
        }
        tx.work_mut().caused_by(envelope);
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

    /// Each time it comes. A refusal commits as well: what the handler has counted stays.
    async fn repeat(&self, envelope: &Envelope, prepared: Prepared<S::Tx>) -> Answered<Vec<u8>> {
        let mut tx = self.store.begin(&self.service, &[]).await?;
        tx.work_mut().caused_by(envelope);
        let answered = prepared(&mut tx).await;
        match &answered {
            Ok(_) | Err(Failure::Reject(_)) => tx.commit().await?,
            Err(Failure::Retry(_) | Failure::Drop(_) | Failure::Bug(_)) => tx.rollback().await,
        }
        answered
    }

    fn reading(&self) -> Reading<S> {
        Reading::new(self.store.clone(), self.service.clone())
    }

    async fn send(
        &self,
        request: &Envelope,
        caller: &str,
        reply_to: &str,
        answered: Answered<Vec<u8>>,
        replies: &Sender,
    ) -> u16 {
        let (body, status) = match answered {
            Ok(body) => (body, 200),
            Err(failure) => {
                match &failure {
                    Failure::Bug(bug) => {
                        telemetry::report_bug(&bug.text);
                        error!(message.name = request.name, message.id = %request.id, reason = bug.text, stack = bug.stack, "a request failed in a way that must not happen");
                    }
                    Failure::Retry(reason) => {
                        warn!(message.name = request.name, message.id = %request.id, %reason, "a request failed")
                    }
                    Failure::Reject(_) | Failure::Drop(_) => {}
                }
                let problem = failure.into_problem();
                (serde_json::to_vec(&problem).unwrap_or_default(), problem.status)
            }
        };
        let properties = reply_properties(&request.id.to_string(), status != 200);
        let sending = async {
            let (channel, generation) = replies.channel().await.ok()?;
            let (exchange, options) = (reply_exchange(caller), BasicPublishOptions::default());
            let sent = channel.basic_publish(exchange.into(), reply_to.into(), options, &body, properties).await;
            if sent.is_err() {
                replies.give_up(generation).await;
            }
            sent.ok()
        };
        // Nobody waits for it longer.
        if tokio::time::timeout(PATIENCE, sending).await.ok().flatten().is_none() {
            counter!("replies_lost_total", "name" => request.name.clone()).increment(1);
        }
        status
    }
}
