//! Retrying: set-aside messages are handled again once their delay is over.

use std::{sync::Arc, time::Duration};

use events::{Envelope, EnvelopeError};
use metrics::counter;
use tracing::{Instrument, warn};
use uuid::Uuid;

use super::{
    LONGEST_PAUSE, Queue,
    absences::Absences,
    aside::Raw,
    handling::{Ended, Outcomes},
    progress::Looks,
};
use crate::{
    failure::{Failure, Problem},
    messaging::sender,
    stop::Stop,
    store::{SetAside, Store, Transaction},
    telemetry,
};

/// Why not all due messages are handled.
enum Paused {
    /// The store does not respond: no message can be handled.
    Store,
    /// Something that the handler of this message name needs is unavailable. Messages of other names are still handled.
    Handler(String),
}

/// The outcome of a waiting message.
enum Outcome {
    /// It is handled, now or before.
    Ended,
    /// It still waits, or is parked.
    Kept,
}

/// An attempt at a waiting message.
struct Attempt {
    waiting: SetAside,
    /// Its envelope, parsed once.
    envelope: Result<Envelope, EnvelopeError>,
    outcome: Result<Ended, Failure>,
}

/// The number of messages handled between two queries for due messages.
const AT_ONCE: usize = 64;

/// The time that a pass without a wait counts as: about as long as it takes.
const A_ROUND: Duration = Duration::from_millis(10);

/// Handles set-aside messages that are due, until the service stops.
pub async fn retry_due<S: Store>(queue: Arc<Queue<S>>, stop: Stop) {
    let poll = Duration::from_millis(queue.retry.poll_ms);
    let mut wait = poll;
    let mut absences = Absences::new(poll, LONGEST_PAUSE.max(poll));
    let mut looks = Looks::default();
    // Not the clock: a clock that jumps or stops must not hold a message back.
    let mut waited = Duration::ZERO;
    while !stop.is_stopped() {
        let due = queue.due(&mut looks, &absences, waited).await;
        let outcome = queue.retry_all(&due, &mut absences, &stop).await;
        if outcome.is_err() || due.len() == AT_ONCE {
            looks.was_cut_short();
        }
        match outcome {
            // The successors of these events may be due now.
            Ok(handled) if handled > 0 => {
                waited += A_ROUND;
                continue;
            }
            Ok(_) => wait = poll,
            // Due messages of other names were not queried yet.
            Err(Paused::Handler(name)) => {
                absences.note(name, waited);
                waited += A_ROUND;
                continue;
            }
            Err(Paused::Store) => wait = (wait * 2).min(LONGEST_PAUSE.max(poll)),
        }
        tokio::select! {
            biased;
            () = stop.stopped() => {}
            () = queue.service.environment.sleep(wait) => {}
        }
        waited += wait;
    }
}

impl<S: Store> Queue<S> {
    /// The messages due now.
    async fn due(&self, looks: &mut Looks, absences: &Absences, waited: Duration) -> Vec<Uuid> {
        let (lines, except) = (looks.lines(&self.progress, waited), absences.names(waited));
        let due = self.store.due(&self.name, &lines, &except, AT_ONCE as i64).await;
        // An error here is the store's: its own checks report it, and the next query may succeed.
        due.unwrap_or_else(|_| {
            looks.was_cut_short();
            Vec::new()
        })
    }

    /// Handles due messages again. Returns the number of messages that were finished.
    async fn retry_all(&self, due: &[Uuid], absences: &mut Absences, stop: &Stop) -> Result<usize, Paused> {
        let mut ended = 0;
        for message in due {
            if stop.is_stopped() {
                break;
            }
            ended += usize::from(matches!(self.retry(*message, absences).await?, Outcome::Ended));
        }
        Ok(ended)
    }

    /// Handles a waiting message again, and records the outcome.
    async fn retry(&self, id: Uuid, absences: &mut Absences) -> Result<Outcome, Paused> {
        let attempt = match self.attempt_again(id).await {
            Ok(None) => return Ok(Outcome::Ended),
            Ok(Some(attempt)) => attempt,
            Err(failure) if failure.is_unavailable() => return Err(self.paused(None, &failure).await),
            Err(failure) => {
                warn!(queue = self.name, error = %failure, "failed to read a waiting message");
                return Ok(Outcome::Kept);
            }
        };
        let span = telemetry::received_span(&attempt.envelope);
        self.settle(attempt, absences).instrument(span).await
    }

    /// Records the outcome of an attempt.
    async fn settle(&self, attempt: Attempt, absences: &mut Absences) -> Result<Outcome, Paused> {
        let Attempt { waiting, envelope, outcome } = attempt;
        if let Err(failure) = &outcome
            && failure.is_unavailable()
        {
            // The row is still there with its due time: a later query finds it.
            return Err(self.paused(Some(waiting.name), failure).await);
        }
        absences.forget(&waiting.name);
        let (attempts, first) = (waiting.attempts, waiting.first_failed_at);
        let message = Raw::kept(waiting, envelope.ok());
        let kept = match outcome {
            Ok(Ended::Done) => return Ok(Outcome::Ended),
            Ok(Ended::Early { missing }) => self.keep_behind(message, missing, attempts).await.map_err(Failure::from),
            Err(failure) => self.keep(message, &failure, Some((attempts, first))).await,
        };
        if let Err(error) = kept {
            warn!(queue = self.name, %error, "failed to put back a waiting message; it will be retried");
        }
        Ok(Outcome::Kept)
    }

    /// Removes a waiting message and handles it in one transaction, which commits only if the message is handled.
    /// `None` if it no longer waits or is not due.
    async fn attempt_again(&self, id: Uuid) -> Result<Option<Attempt>, Failure> {
        let mut tx = self.store.begin(&self.service, &[id]).await?;
        let Some(waiting) = tx.take_waiting(id).await? else {
            tx.rollback().await;
            return Ok(None);
        };
        let envelope = waiting.envelope().map(|envelope| Envelope { id, ..envelope });
        let outcome = match (&envelope, sender::check_kept(&waiting.name, &waiting.headers)) {
            // The inbox has recorded the row's id, which differs if another sender uses the same one.
            (Ok(envelope), Ok(())) => {
                self.handle_in(&mut tx, &[(envelope, &waiting.body[..])], &mut Outcomes::new()).await
            }
            (Err(error), _) => Err(Problem::new(400, "malformed-message", error.to_string()).into()),
            (_, Err(forged)) => Err(forged.into()),
        };
        if !matches!(outcome, Ok(Ended::Done)) {
            tx.rollback().await;
            return Ok(Some(Attempt { waiting, envelope, outcome }));
        }
        if let Err(error) = self.commit(tx).await {
            return Ok(Some(Attempt { waiting, envelope, outcome: Err(error.into()) }));
        }
        self.service.ended(id, "done", None);
        counter!("messages_handled_total", "queue" => self.name.clone(), "name" => self.label(&waiting.name), "outcome" => "retried")
            .increment(1);
        Ok(Some(Attempt { waiting, envelope, outcome }))
    }

    /// What has to pause: messages of this name, or all if the store itself does not respond.
    async fn paused(&self, name: Option<String>, failure: &Failure) -> Paused {
        let name = if self.store.check().await.is_ok() { name } else { None };
        warn!(queue = self.name, message.name = name, error = %failure, "a dependency of the handlers is unavailable; pausing retries");
        name.map_or(Paused::Store, Paused::Handler)
    }
}
