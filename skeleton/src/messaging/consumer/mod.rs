//! The consumer: takes messages from a queue and sees to it that each has its effect once.
//!
//! It promises: a message is acknowledged after the transaction that handled it has committed, or after it was set
//! aside; what comes again is recognised by the inbox. Messages that wait in the queue share a transaction; when one
//! of them fails, all of it is undone and they are handled one by one. While the store, or whatever else a handler
//! needs, does not answer, nothing is counted as a failure: the consumer pauses. Whose turn it is not yet, where the
//! handler wants its events in order, is set aside until it is. A message that was handed out often without an end may
//! be killing its process: it is handled alone, each attempt noted before it begins, and parked when they are used up. An
//! attempt that ends in a pause does not count.

mod absences;
mod aside;
mod dropping;
mod handling;
mod progress;
mod retrying;
mod suspects;

use std::{sync::Arc, time::Duration};

use metrics::{gauge, histogram};
use tracing::{Instrument, warn};

use super::{Deliveries, Incoming, SerialHandlers, handlers::ByName, order::Orders};
use crate::{
    config::RetrySettings,
    failure::{Failure, Problem},
    stop::Stop,
    store::{ServiceContext, Store},
    telemetry,
};

use handling::Ended;
pub use progress::Progress;
pub use retrying::retry_due;
use suspects::Suspect;

/// What a consumer and its retry loop share.
pub struct Queue<S: Store> {
    /// The queue's name.
    pub name: String,
    /// Where effects and set-aside messages go.
    pub store: S,
    /// Who handles what.
    pub handlers: ByName<S::Tx>,
    /// Who needs what of the order.
    pub orders: Orders,
    /// What happens after a failure.
    pub retry: RetrySettings,
    /// The running service.
    pub service: Arc<ServiceContext>,
    /// Whether everything in it has failed elsewhere already, and is parked.
    pub park_all: bool,
    /// Whose handlers cannot be overtaken, as far as is known.
    pub serial: Arc<SerialHandlers>,
    /// Which lines have moved on.
    pub progress: Arc<Progress>,
}

/// Takes messages from a queue until told to stop. `batch` messages at most share a transaction.
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

/// How long a consumer waits at most before it looks again whether what it needs answers.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

impl<S: Store> Queue<S> {
    /// The same on another store.
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
            if matches!(self.handle(&calls).await, Ok(Ended::Done)) {
                deliveries.acknowledge_through(last).await;
                return true;
            }
        }
        for message in messages {
            // What is not begun goes to another replica: a batch that failed may be long.
            if stop.is_stopped() || !self.finish(message, stop).await {
                return false;
            }
            deliveries.acknowledge_through(message).await;
        }
        true
    }

    /// Brings one message to an end: handled, waiting, dropped or parked. False when told to stop before that.
    async fn finish(&self, message: &Incoming, stop: &Stop) -> bool {
        // Failures are logged outside of the handler, and belong to the message all the same.
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
            warn!(queue = self.name, error = %trouble, "something that the handlers need does not answer: the consumer pauses");
            if !self.is_over(&mut pause, stop).await {
                return false;
            }
        }
    }

    /// Attempts a message, and records what came of it. After an error the message is where it was before: the consumer
    /// pauses and tries again, and the attempt does not count.
    async fn bring_to_an_end(&self, message: &Incoming, suspect: &mut Option<Suspect>) -> Result<(), Failure> {
        let attempt = self.attempt(message, suspect).await;
        let before = suspect.as_ref().map(|suspect| suspect.before(self.service.environment.now()));
        match attempt {
            Ok(Ended::Done) => Ok(self.forget_note(message, suspect.as_ref()).await?),
            Ok(Ended::Early { missing }) => Ok(self.keep_behind(message.into(), missing, 0).await?),
            Err(failure) if failure.is_unavailable() => {
                self.take_note_back(message, suspect.as_ref()).await;
                Err(failure)
            }
            Err(failure) => self.keep(message.into(), &failure, before).await,
        }
    }

    async fn attempt(&self, message: &Incoming, suspect: &mut Option<Suspect>) -> Result<Ended, Failure> {
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
        if message.deliveries_before >= self.retry.suspect_after && !self.note_suspect(message, suspect).await? {
            return Ok(Ended::Done);
        }
        self.handle(&[(envelope, &message.body[..])]).await
    }

    /// Waits for a pause, longer each time, and until the store answers. False when told to stop before that.
    async fn is_over(&self, pause: &mut Duration, stop: &Stop) -> bool {
        loop {
            tokio::select! {
                biased;
                () = stop.stopped() => return false,
                () = self.service.environment.sleep(*pause) => {}
            }
            *pause = (*pause * 2).min(LONGEST_PAUSE);
            if self.store.ping().await.is_ok() {
                return true;
            }
        }
    }
}
