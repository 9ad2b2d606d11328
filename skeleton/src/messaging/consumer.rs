//! The consumer: takes messages from a queue and sees to it that each has its effect once.
//!
//! It promises: a message is acknowledged after the transaction that handled it has committed, or after it was set
//! aside; what comes again is recognised by the inbox. Messages that wait in the queue share a transaction; when one
//! of them fails, all of it is undone and they are handled one by one. While the store does not answer, nothing is
//! counted as a failure: the consumer waits. A message that was handed out often without an end may be killing its
//! process: it is handled alone, each attempt noted before it begins, and parked when they are used up.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use events::{Envelope, versions::is_version_of};
use futures::FutureExt;
use metrics::{counter, histogram};
use tracing::{Instrument, debug, error, info, warn};
use uuid::Uuid;

use super::{
    Deliveries, Incoming,
    handlers::ByName,
    retry::{self, Decision},
};
use crate::{
    config::RetrySettings,
    failure::{Failure, Handled, Problem, StoreError},
    stop::Stop,
    store::{ServiceContext, SetAside, State, Store, Transaction},
    telemetry,
};

/// What a consumer and its retry loop share.
pub struct Queue<S: Store> {
    /// The queue's name.
    pub name: String,
    /// Where effects and set-aside messages go.
    pub store: S,
    /// Who handles what.
    pub handlers: ByName<S::Tx>,
    /// What happens after a failure.
    pub retry: RetrySettings,
    /// The running service.
    pub service: Arc<ServiceContext>,
    /// Whether everything in it has failed elsewhere already, and is parked.
    pub park_all: bool,
}

/// Takes messages from a queue until told to stop. `batch` messages at most share a transaction.
pub async fn consume<S: Store>(queue: Arc<Queue<S>>, mut deliveries: impl Deliveries, batch: usize, stop: Stop) {
    loop {
        let messages = tokio::select! {
            biased;
            () = stop.stopped() => break,
            messages = deliveries.next(batch) => messages,
        };
        if !queue.work_off(&messages, &mut deliveries, &stop).await {
            break;
        }
    }
    deliveries.close().await;
}

/// Handles set-aside messages whose wait is over, until told to stop.
pub async fn retry_due<S: Store>(queue: Arc<Queue<S>>, stop: Stop) {
    while !stop.is_stopped() {
        // An error here is the store's: its own checks report it, and the next look may work.
        for message in queue.store.due(&queue.name, 64).await.unwrap_or_default() {
            queue.retry(message).await;
        }
        tokio::select! {
            () = stop.stopped() => {}
            () = tokio::time::sleep(Duration::from_millis(queue.retry.poll_ms)) => {}
        }
    }
}

impl<S: Store> Queue<S> {
    /// Handles messages and acknowledges them. False when told to stop before the end.
    async fn work_off(&self, messages: &[Incoming], deliveries: &mut impl Deliveries, stop: &Stop) -> bool {
        let Some(last) = messages.last() else { return true };
        let is_plain = |message: &Incoming| {
            !self.park_all && message.envelope.is_ok() && message.deliveries_before < self.retry.suspect_after
        };
        if messages.len() > 1 && messages.iter().all(is_plain) {
            histogram!("consumer_batch_messages", "queue" => self.name.clone()).record(messages.len() as f64);
            let calls: Vec<_> = messages
                .iter()
                .filter_map(|message| Some((message.envelope.as_ref().ok()?, &message.body[..])))
                .collect();
            if self.handle(&calls).await.is_ok() {
                deliveries.acknowledge_through(last).await;
                return true;
            }
        }
        for message in messages {
            if !self.finish(message, stop).await {
                return false;
            }
            deliveries.acknowledge_through(message).await;
        }
        true
    }

    /// Brings one message to an end: handled, waiting or parked. False when told to stop before that.
    async fn finish(&self, message: &Incoming, stop: &Stop) -> bool {
        loop {
            let outcome = self.attempt(message).await;
            let outcome = match outcome {
                Err(failure) if failure.is_unavailable() => Err(failure),
                Err(failure) => self.keep(message.into(), &failure, None).await.map_err(Failure::from),
                Ok(()) => Ok(()),
            };
            let Err(trouble) = outcome else { return true };
            warn!(queue = self.name, error = %trouble, "the store does not answer: the consumer waits for it");
            if !self.store_is_back(stop).await {
                return false;
            }
        }
    }

    async fn attempt(&self, message: &Incoming) -> Handled {
        let envelope = match &message.envelope {
            Ok(envelope) => envelope,
            Err(error) => return Err(Problem::new(400, "malformed-message", error.to_string()).into()),
        };
        if self.park_all {
            return Err(Problem::new(
                500,
                "dead-letter",
                "the broker gave the message up: it was handed out too often or could not be kept",
            )
            .into());
        }
        if message.deliveries_before >= self.retry.suspect_after {
            self.note_suspect(message).await?;
        }
        self.handle(&[(envelope, &message.body[..])]).await
    }

    /// Notes, before a suspicious message is handled, that it is: should the process die of it, the note stays.
    async fn note_suspect(&self, message: &Incoming) -> Handled {
        let attempts = self.store.failures_of(message.id).await? + 1;
        if attempts as usize > self.retry.waits_ms.len() {
            let detail = format!(
                "the message was handed out {} times and never came to an end: it may kill the process",
                message.deliveries_before
            );
            return Err(Problem::new(500, "crash-loop", detail).into());
        }
        let now = self.service.surroundings.now();
        let note = SetAside {
            attempts,
            due_at: now + chrono::Duration::minutes(10),
            ..self.entry(message.into(), "it was handed out and never came to an end")
        };
        self.store.set_aside(&note).await?;
        Ok(())
    }

    /// Handles messages in one transaction; what was handled before is left out.
    async fn handle(&self, messages: &[(&Envelope, &[u8])]) -> Handled {
        let ids: Vec<Uuid> = messages.iter().map(|(envelope, _)| envelope.id).collect();
        let mut tx = self.store.begin(&self.service, &ids).await?;
        let mut handled = Vec::with_capacity(ids.len());
        for (envelope, body) in messages {
            if !tx.is_new(envelope.id) || handled.contains(&envelope.id) {
                counter!("inbox_duplicates_total", "queue" => self.name.clone()).increment(1);
                continue;
            }
            handled.push(envelope.id);
            if let Err(failure) = self.call(envelope, body, &mut tx).await {
                tx.rollback().await;
                return Err(failure);
            }
        }
        tx.commit().await?;
        for (envelope, _) in messages {
            counter!("messages_handled_total", "queue" => self.name.clone(), "name" => envelope.name.clone(), "outcome" => "done")
                .increment(1);
            self.service.ended(envelope.id, "done", None);
        }
        Ok(())
    }

    /// Calls the handler, and makes a failure of a panic and of a handler that takes too long.
    async fn call(&self, envelope: &Envelope, body: &[u8], tx: &mut S::Tx) -> Handled {
        let Some(handler) = self.handlers.get(envelope.name.as_str()) else {
            return Err(self.unknown(&envelope.name));
        };
        tx.work_mut().caused_by(envelope);
        let span = telemetry::message_span(envelope);
        let limit = Duration::from_millis(self.retry.handler_timeout_ms);
        let handling = async {
            let guarded = AssertUnwindSafe(handler(body, tx)).catch_unwind();
            let outcome = match tokio::time::timeout(limit, guarded).await {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(_)) => Err(Failure::bug("the handler panicked")),
                Err(_) => Err(Failure::retry(format!("the handler took longer than {} s", limit.as_secs()))),
            };
            debug!(outcome = if outcome.is_ok() { "done" } else { "failed" }, "handled");
            outcome
        };
        handling.instrument(span).await
    }

    /// What becomes of a message that nothing here handles.
    fn unknown(&self, name: &str) -> Failure {
        let detail = format!("this version of {} does not know {name}", self.service.name);
        // While replicas are upgraded one after the other, those before their turn get messages of the next version:
        // they leave them to the others. Should there be none, the message is parked in the end.
        if self.handlers.keys().any(|known| is_version_of(known, name)) {
            return Failure::retry(detail);
        }
        Problem::new(501, "unknown-message", detail).into()
    }

    /// Handles a waiting message again.
    async fn retry(&self, id: Uuid) {
        let attempt = async {
            let mut tx = self.store.begin(&self.service, &[id]).await.map_err(|error| (None, error.into()))?;
            let Some(waiting) = tx.take_waiting(id).await.map_err(|error| (None, error.into()))? else {
                tx.rollback().await;
                return Ok(());
            };
            let envelope =
                Envelope::from_headers(waiting.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
            let handled = match envelope {
                Ok(envelope) if tx.is_new(id) => self.call(&envelope, &waiting.body, &mut tx).await,
                Ok(_) => Ok(()),
                Err(error) => Err(Problem::new(400, "malformed-message", error.to_string()).into()),
            };
            if let Err(failure) = handled {
                tx.rollback().await;
                return Err((Some(waiting), failure));
            }
            let name = waiting.name.clone();
            tx.commit().await.map_err(|error| (Some(waiting), Failure::from(error)))?;
            self.service.ended(id, "done", None);
            counter!("messages_handled_total", "queue" => self.name.clone(), "name" => name, "outcome" => "retried")
                .increment(1);
            Ok(())
        };
        match attempt.await {
            Ok(()) => {}
            // The row is still there with its due time: the next look finds it.
            Err((_, failure)) if failure.is_unavailable() => {
                warn!(queue = self.name, error = %failure, "the store does not answer")
            }
            Err((None, failure)) => warn!(queue = self.name, error = %failure, "a waiting message cannot be read"),
            Err((Some(waiting), failure)) => {
                let first = (waiting.attempts, waiting.first_failed_at);
                if let Err(error) = self.keep(waiting.into(), &failure, Some(first)).await {
                    warn!(queue = self.name, %error, "a waiting message cannot be put back: it is tried again");
                }
            }
        }
    }

    /// Sets a failed message aside, to wait or parked.
    async fn keep(
        &self,
        message: Raw,
        failure: &Failure,
        before: Option<(u32, chrono::DateTime<chrono::Utc>)>,
    ) -> Result<(), StoreError> {
        let attempts = match before {
            Some((attempts, _)) => attempts,
            None => self.store.failures_of(message.id).await?,
        };
        let attempts = attempts + 1;
        let mut entry = SetAside { attempts, ..self.entry(message, &failure.to_string()) };
        if let Some((_, first_failed_at)) = before {
            entry.first_failed_at = first_failed_at;
        }
        let decision = retry::decide(&self.retry, &self.service.surroundings, failure, attempts);
        let outcome = match decision {
            Decision::Wait(wait) => {
                entry.due_at += wait;
                "waiting"
            }
            Decision::Park => {
                entry.state = State::Parked;
                "parked"
            }
        };
        self.store.set_aside(&entry).await?;
        self.service.ended(entry.message, outcome, Some(&entry.reason));
        counter!("messages_handled_total", "queue" => self.name.clone(), "name" => entry.name.clone(), "outcome" => outcome).increment(1);
        let (message, name, reason) = (entry.message, &entry.name, &entry.reason);
        match failure {
            Failure::Bug(text) => {
                telemetry::report_bug(text);
                error!(message.id = %message, message.name = name, attempts, outcome, reason, "a handler failed in a way that must not happen");
            }
            Failure::Reject(_) => {
                info!(message.id = %message, message.name = name, attempts, outcome, reason, "a message was refused")
            }
            Failure::Retry(_) => {
                warn!(message.id = %message, message.name = name, attempts, outcome, reason, "a message failed")
            }
        }
        Ok(())
    }

    fn entry(&self, message: Raw, reason: &str) -> SetAside {
        let now = self.service.surroundings.now();
        SetAside {
            message: message.id,
            queue: self.name.clone(),
            name: message.name,
            subject: message.subject,
            headers: message.headers,
            body: message.body,
            state: State::Waiting,
            attempts: 0,
            due_at: now,
            reason: reason.to_owned(),
            first_failed_at: now,
            last_failed_at: now,
        }
    }

    /// Waits until the store answers. False when told to stop before that.
    async fn store_is_back(&self, stop: &Stop) -> bool {
        let mut wait = Duration::from_millis(100);
        loop {
            tokio::select! {
                () = stop.stopped() => return false,
                () = tokio::time::sleep(wait) => {}
            }
            if self.store.ping().await.is_ok() {
                return true;
            }
            wait = (wait * 2).min(Duration::from_secs(2));
        }
    }
}

/// A message as it came.
struct Raw {
    id: Uuid,
    name: String,
    subject: Option<String>,
    headers: std::collections::BTreeMap<String, String>,
    body: Vec<u8>,
}

impl From<&Incoming> for Raw {
    fn from(message: &Incoming) -> Self {
        let envelope = message.envelope.as_ref().ok();
        Self {
            id: message.id,
            name: envelope.map_or_else(|| "(unreadable)".to_owned(), |envelope| envelope.name.clone()),
            subject: envelope.and_then(|envelope| envelope.subject.clone()),
            headers: message.headers.to_text(),
            body: message.body.to_vec(),
        }
    }
}

impl From<SetAside> for Raw {
    fn from(kept: SetAside) -> Self {
        Self { id: kept.message, name: kept.name, subject: kept.subject, headers: kept.headers, body: kept.body }
    }
}
