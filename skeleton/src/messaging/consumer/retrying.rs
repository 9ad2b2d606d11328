//! Retrying: what was set aside is handled again once its wait is over.

use std::{sync::Arc, time::Duration};

use metrics::counter;
use tracing::{Instrument, Span, warn};
use uuid::Uuid;

use super::{LONGEST_PAUSE, Queue, handling::Ended};
use crate::{
    failure::{Failure, Problem, StoreError},
    stop::Stop,
    store::{SetAside, Store, Transaction},
    telemetry,
};

/// Something that the handlers need does not answer.
struct Paused;

/// How an attempt ended: with the message's end, too early for its turn, or with a failure.
type Attempted = Result<Option<(SetAside, i64)>, (Option<SetAside>, Failure)>;

/// Handles set-aside messages whose wait is over, until told to stop.
pub async fn retry_due<S: Store>(queue: Arc<Queue<S>>, stop: Stop) {
    let poll = Duration::from_millis(queue.retry.poll_ms);
    let mut wait = poll;
    while !stop.is_stopped() {
        // An error here is the store's: its own checks report it, and the next look may work.
        let due = queue.store.due(&queue.name, 64).await.unwrap_or_default();
        match queue.retry_all(&due, &stop).await {
            // What comes after these in their lines may be due now.
            Ok(handled) if handled > 0 => continue,
            Ok(_) => wait = poll,
            Err(Paused) => wait = (wait * 2).min(LONGEST_PAUSE.max(poll)),
        }
        tokio::select! {
            biased;
            () = stop.stopped() => {}
            () = queue.service.surroundings.sleep(wait) => {}
        }
    }
}

impl<S: Store> Queue<S> {
    /// Handles messages again whose wait is over. Returns how many came to an end.
    async fn retry_all(&self, due: &[Uuid], stop: &Stop) -> Result<usize, Paused> {
        let mut ended = 0;
        for message in due {
            if stop.is_stopped() {
                break;
            }
            ended += usize::from(self.retry(*message).await?);
        }
        Ok(ended)
    }

    /// Handles a waiting message again. Returns whether that was its end.
    async fn retry(&self, id: Uuid) -> Result<bool, Paused> {
        let attempt = async {
            let mut tx = self.store.begin(&self.service, &[id]).await.map_err(|error| (None, error.into()))?;
            let Some(waiting) = tx.take_waiting(id).await.map_err(|error| (None, error.into()))? else {
                tx.rollback().await;
                return Ok(None);
            };
            let handled = match waiting.envelope() {
                Ok(envelope) => self.handle_in(&mut tx, &[(&envelope, &waiting.body[..])]).await,
                Err(error) => Err(Problem::new(400, "malformed-message", error.to_string()).into()),
            };
            match handled {
                Ok(Ended::Done) => {}
                Ok(Ended::Early { missing }) => {
                    tx.rollback().await;
                    return Ok(Some((waiting, missing)));
                }
                Err(failure) => {
                    tx.rollback().await;
                    return Err((Some(waiting), failure));
                }
            }
            let name = waiting.name.clone();
            tx.commit().await.map_err(|error| (Some(waiting), Failure::from(error)))?;
            self.service.ended(id, "done", None);
            counter!("messages_handled_total", "queue" => self.name.clone(), "name" => name, "outcome" => "retried")
                .increment(1);
            Ok(None)
        };
        let attempted = attempt.await;
        let waiting = match &attempted {
            Ok(waiting) => waiting.as_ref().map(|(waiting, _)| waiting),
            Err((waiting, _)) => waiting.as_ref(),
        };
        let span = waiting.map_or_else(Span::none, |waiting| telemetry::received_span(&waiting.envelope()));
        self.settle(attempted).instrument(span).await
    }

    /// Puts a message back whose attempt was not its end. Returns whether it was.
    async fn settle(&self, attempted: Attempted) -> Result<bool, Paused> {
        match attempted {
            Ok(None) => return Ok(true),
            Ok(Some((waiting, missing))) => {
                let attempts = waiting.attempts;
                self.put_back(self.keep_behind(waiting.into(), missing, attempts).await);
            }
            // The row is still there with its due time: the next look finds it.
            Err((_, failure)) if failure.is_unavailable() => {
                warn!(queue = self.name, error = %failure, "something that the handlers need does not answer: retries pause");
                return Err(Paused);
            }
            Err((None, failure)) => warn!(queue = self.name, error = %failure, "a waiting message cannot be read"),
            Err((Some(waiting), failure)) => {
                let first = (waiting.attempts, waiting.first_failed_at);
                self.put_back(self.keep(waiting.into(), &failure, Some(first)).await);
            }
        }
        Ok(false)
    }

    fn put_back(&self, kept: Result<(), StoreError>) {
        if let Err(error) = kept {
            warn!(queue = self.name, %error, "a waiting message cannot be put back: it is tried again");
        }
    }
}
