//! Messages that may kill their process: each attempt is noted in the store before it begins, so that the note survives
//! the process. The note is removed when the message was handled, and reverted when the attempt ended in a pause.

use chrono::{DateTime, Utc};
use tracing::warn;

use super::Queue;
use crate::{
    failure::{Failure, Problem, StoreError},
    messaging::Incoming,
    store::{Filter, SetAside, State, Store},
};

/// The delay of a note: longer than any attempt, so that the retry loop does not take a message that is being handled.
const NOTED_FOR: chrono::Duration = chrono::Duration::minutes(10);

/// A message that was delivered often without an outcome, and its stored state before this delivery.
pub(super) struct Suspect {
    kept: Option<SetAside>,
}

impl Suspect {
    /// The number of failures before this delivery, and the time of the first.
    pub(super) fn before(&self, now: DateTime<Utc>) -> (u32, DateTime<Utc>) {
        self.kept.as_ref().map_or((0, now), |kept| (kept.attempts, kept.first_failed_at))
    }
}

impl<S: Store> Queue<S> {
    /// Notes an attempt at a suspect message. The same attempt after a pause writes the same note. False if the message
    /// is parked already, and only its acknowledgement was lost.
    pub(super) async fn note_suspect(
        &self,
        message: &Incoming,
        suspect: &mut Option<Suspect>,
    ) -> Result<bool, Failure> {
        if suspect.is_none() {
            let kept = self.store.list_set_aside(&Filter::of(message.id), 1).await?.pop();
            *suspect = Some(Suspect { kept });
        }
        let kept = suspect.as_ref().and_then(|suspect| suspect.kept.as_ref());
        if kept.is_some_and(|kept| kept.state == State::Parked) {
            return Ok(false);
        }
        let attempts = kept.map_or(0, |kept| kept.attempts) + 1;
        if attempts as usize > self.retry.waits_ms.len() {
            let detail = format!(
                "the message was delivered {} times without an outcome: it may kill the process",
                message.deliveries_before
            );
            return Err(Problem::new(500, "crash-loop", detail).into());
        }
        let note = self.entry(message.into(), "it was delivered without an outcome");
        self.put_aside(&SetAside { attempts, due_at: note.due_at + NOTED_FOR, ..note }).await?;
        Ok(true)
    }

    /// Removes the note of a handled message. If the process dies before that, the note becomes due, and the retry loop
    /// finds the message handled.
    pub(super) async fn forget_note(&self, message: &Incoming, suspect: Option<&Suspect>) -> Result<(), StoreError> {
        if suspect.is_some() {
            self.store.forget_waiting(message.id).await?;
        }
        Ok(())
    }

    /// Reverts the note of an attempt that ended in a pause.
    pub(super) async fn take_note_back(&self, message: &Incoming, suspect: Option<&Suspect>) {
        let Some(Suspect { kept }) = suspect else { return };
        let taken_back = match kept {
            Some(kept) => self.store.set_aside(kept).await,
            None => self.store.forget_waiting(message.id).await,
        };
        if let Err(error) = taken_back {
            warn!(queue = self.name, message.id = %message.id, %error, "failed to revert the note of a paused attempt; it stays until the next attempt");
        }
    }
}
