//! The consumer: reads messages from a queue, so that each has its effect once.
//!
//! Guarantees: A message is acknowledged after the transaction that handled it has committed, or after it was set
//! aside. The inbox recognises redeliveries. Messages that wait in the queue share a transaction; if one of them fails,
//! it is rolled back and they are handled one by one. While the store, or something else that a handler needs, is
//! unavailable, no failure is counted: the consumer pauses. If a handler requires its events in order, an early event
//! is set aside until its predecessor was handled. A message that was delivered often without an outcome may kill its
//! process: it is handled alone, each attempt is noted before it begins, and it is parked when the attempts are used
//! up. An attempt that ends in a pause does not count.

mod absences;
mod aside;
mod dropping;
mod handling;
mod progress;
mod retrying;
mod suspects;

use std::{future::ready, sync::Arc, time::Duration};

use events::Envelope;
use futures::{StreamExt, stream};
use metrics::{counter, gauge, histogram};
use tracing::{Instrument, warn};

use super::{Deliveries, Incoming, SerialHandlers, handlers::ByName, order::Orders, sender};
use crate::{
    config::RetrySettings,
    failure::{Failure, Problem},
    stop::Stop,
    store::{ServiceContext, Store, checks},
    telemetry,
};

use handling::Ended;
pub use progress::Progress;
pub use retrying::retry_due;
use suspects::Suspect;

/// The state shared by a consumer and its retry loop.
pub struct Queue<S: Store> {
    /// The queue's name.
    pub name: String,
    /// The store for effects and set-aside messages.
    pub store: S,
    /// The handlers by message name.
    pub handlers: ByName<S::Tx>,
    /// The order that each handler requires.
    pub orders: Orders,
    /// The retry settings.
    pub retry: RetrySettings,
    /// The running service.
    pub service: Arc<ServiceContext>,
    /// Whether all messages of the queue have failed elsewhere already, and are parked.
    pub park_all: bool,
    /// The messages whose handlers must run alone, as far as is known.
    pub serial: Arc<SerialHandlers>,
    /// The subject cursors that have advanced.
    pub progress: Arc<Progress>,
}

/// Consumes a queue until the service stops. At most `batch` messages share a transaction.
pub async fn consume<S: Store>(queue: Arc<Queue<S>>, mut deliveries: impl Deliveries, batch: usize, stop: Stop) {
    loop {
        let messages = tokio::select! {
            biased;
            () = stop.stopped() => break,
            messages = deliveries.next(batch) => messages,
        };
        if messages.is_empty() || !queue.work_off(&messages, &mut deliveries, &stop).await {
            break;
        }
    }
    deliveries.close().await;
}

/// The number of messages that are parked at the same time.
const AT_ONCE: usize = 8;

/// The longest wait before a consumer checks again whether the things it needs are available.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

impl<S: Store> Queue<S> {
    /// The same queue with another store.
    pub(crate) fn on(&self, store: S) -> Self {
        Self {
            name: self.name.clone(),
            store,
            handlers: self.handlers.clone(),
            orders: self.orders.clone(),
            retry: self.retry.clone(),
            service: self.service.clone(),
            park_all: self.park_all,
            serial: self.serial.clone(),
            progress: self.progress.clone(),
        }
    }

    /// Handles messages and acknowledges them. False if the service stops before the end.
    async fn work_off(&self, messages: &[Incoming], deliveries: &mut impl Deliveries, stop: &Stop) -> bool {
        let Some(last) = messages.last() else { return true };
        let is_plain = |message: &Incoming| !self.park_all && message.deliveries_before < self.retry.suspect_after;
        if messages.len() > 1 && messages.iter().all(is_plain) {
            let (readable, refused): (Vec<_>, Vec<_>) =
                messages.iter().partition(|message| self.readable(message).is_ok());
            if self.handled_at_once(&readable).await {
                if !self.refuse_all(&refused, stop).await {
                    return false;
                }
                deliveries.acknowledge_through(last).await;
                return true;
            }
        }
        for message in messages {
            // Messages that were not begun go to another replica: a failed batch may be long.
            if stop.is_stopped() || !self.finish(message, stop).await {
                return false;
            }
            deliveries.acknowledge_through(message).await;
        }
        true
    }

    /// Handles messages in one transaction. False if one of them fails or comes too early: nothing has happened then.
    async fn handled_at_once(&self, messages: &[&Incoming]) -> bool {
        if messages.is_empty() {
            return true;
        }
        histogram!("consumer_batch_messages", "queue" => self.name.clone()).record(messages.len() as f64);
        let calls: Vec<_> =
            messages.iter().filter_map(|message| Some((message.envelope.as_ref().ok()?, &message.body[..]))).collect();
        matches!(self.handle(&calls).await, Ok(Ended::Done))
    }

    /// Parks messages that no handler may get, several at a time: a flood of them must not hold up the others for long.
    /// False if the service stops before that.
    async fn refuse_all(&self, messages: &[&Incoming], stop: &Stop) -> bool {
        let refusals: Vec<_> = messages.iter().map(|message| self.finish(message, stop)).collect();
        let refusing = stream::iter(refusals).buffer_unordered(AT_ONCE);
        refusing.all(ready).await
    }

    /// Brings one message to an outcome: handled, waiting, dropped or parked. False if the service stops before that.
    async fn finish(&self, message: &Incoming, stop: &Stop) -> bool {
        // Failures are logged outside the handler, but belong to the message's span.
        self.finish_in_span(message, stop).instrument(telemetry::received_span(&message.envelope)).await
    }

    async fn finish_in_span(&self, message: &Incoming, stop: &Stop) -> bool {
        let mut pause = Duration::from_millis(100);
        let mut suspect = None;
        loop {
            let Err(trouble) = self.bring_to_an_end(message, &mut suspect).await else {
                gauge!("consumer_paused", "queue" => self.name.clone()).set(0.0);
                return true;
            };
            gauge!("consumer_paused", "queue" => self.name.clone()).set(1.0);
            warn!(queue = self.name, error = %trouble, "a dependency of the handlers is unavailable; pausing the consumer");
            if !self.is_over(&mut pause, stop).await {
                gauge!("consumer_paused", "queue" => self.name.clone()).set(0.0);
                return false;
            }
        }
    }

    /// Attempts a message, and records the outcome. After an error the message is where it was before: the consumer
    /// pauses and retries, and the attempt does not count.
    async fn bring_to_an_end(&self, message: &Incoming, suspect: &mut Option<Suspect>) -> Result<(), Failure> {
        let attempt = self.attempt(message, suspect).await;
        let before = suspect.as_ref().map(|suspect| suspect.before(self.service.environment.now()));
        match attempt {
            Ok(Ended::Done) => Ok(self.forget_note(message, suspect.as_ref()).await?),
            Ok(Ended::Early { missing }) => {
                let (message, _) = self.apart_from_other_senders(message.into()).await?;
                Ok(self.keep_behind(message, missing, 0).await?)
            }
            Err(failure) if failure.is_unavailable() => {
                self.take_note_back(message, suspect.as_ref()).await;
                Err(failure)
            }
            Err(failure) => self.keep(message.into(), &failure, before).await,
        }
    }

    async fn attempt(&self, message: &Incoming, suspect: &mut Option<Suspect>) -> Result<Ended, Failure> {
        let envelope = self.readable(message).inspect_err(|problem| {
            if problem.status == sender::FORGED {
                counter!("messages_forged_total", "queue" => self.name.clone()).increment(1);
            }
        })?;
        if self.park_all {
            return Err(Problem::new(
                500,
                "dead-letter",
                "the broker dead-lettered the message: it was delivered too often or could not be kept",
            )
            .into());
        }
        if message.deliveries_before >= self.retry.suspect_after && !self.note_suspect(message, suspect).await? {
            return Ok(Ended::Done);
        }
        self.handle(&[(envelope, &message.body[..])]).await
    }

    /// The envelope of a message that can be read, was sent by the owner of its name, and is not too large.
    fn readable<'a>(&self, message: &'a Incoming) -> Result<&'a Envelope, Problem> {
        let envelope = message.envelope.as_ref();
        let envelope = envelope.map_err(|error| Problem::new(400, "malformed-message", error.to_string()))?;
        sender::check(&envelope.name, message.user.as_deref())?;
        checks::received_size(message.body.len())?;
        Ok(envelope)
    }

    /// Waits for a pause, longer each time, and until the store responds. False if the service stops before that.
    async fn is_over(&self, pause: &mut Duration, stop: &Stop) -> bool {
        loop {
            tokio::select! {
                biased;
                () = stop.stopped() => return false,
                () = self.service.environment.sleep(*pause) => {}
            }
            *pause = (*pause * 2).min(LONGEST_PAUSE);
            if self.store.check().await.is_ok() {
                return true;
            }
        }
    }
}
