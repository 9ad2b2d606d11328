//! Messages that may kill their process: each attempt is noted in the store before it begins, so that the note stays if the
//! process dies. The note is removed when the message was handled, and taken back when the attempt ended in a pause.

use chrono::{DateTime, Utc};
use tracing::warn;

use super::Queue;
use crate::{
    failure::{Failure, Problem, StoreError},
    messaging::Incoming,
    store::{Filter, SetAside, State, Store},
};

/// How long a note waits: longer than any attempt, so that the retry loop does not take a message that is being handled.
const NOTED_FOR: chrono::Duration = chrono::Duration::minutes(10);

/// A message that was handed out often without an end, and what the store had of it before this delivery.
pub(super) struct Suspect {
    kept: Option<SetAside>,
}

impl Suspect {
    /// How often the message had failed before this delivery, and since when.
    pub(super) fn before(&self, now: DateTime<Utc>) -> (u32, DateTime<Utc>) {
        self.kept.as_ref().map_or((0, now), |kept| (kept.attempts, kept.first_failed_at))
    }
}

impl<S: Store> Queue<S> {
    /// Notes an attempt at a suspicious message. The same attempt after a pause writes the same note. False if the message
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
                "the message was handed out {} times and never came to an end: it may kill the process",
                message.deliveries_before
            );
            return Err(Problem::new(500, "crash-loop", detail).into());
        }
        let note = self.entry(message.into(), "it was handed out and never came to an end");
        self.put_aside(&SetAside { attempts, due_at: note.due_at + NOTED_FOR, ..note }).await?;
        Ok(true)
    }

    /// Removes the note of a message that was handled. Lost with the process, the note becomes due, and the retry loop finds
    /// the message handled.
    pub(super) async fn forget_note(&self, message: &Incoming, suspect: Option<&Suspect>) -> Result<(), StoreError> {
        if suspect.is_some() {
            self.store.forget_waiting(message.id).await?;
        }
        Ok(())
    }

    /// Takes back the note of an attempt that ended in a pause.
    pub(super) async fn take_note_back(&self, message: &Incoming, suspect: Option<&Suspect>) {
        let Some(Suspect { kept }) = suspect else { return };
        let taken_back = match kept {
            Some(kept) => self.store.set_aside(kept).await,
            None => self.store.forget_waiting(message.id).await,
        };
        if let Err(error) = taken_back {
            warn!(queue = self.name, message.id = %message.id, %error, "the note of a paused attempt stays until the next attempt");
        }
    }
}
