//! Delayed jobs: kept in the store with the transaction that wants them, and moved into the outbox once they are due.

use std::{future::Future, time::Duration};

use chrono::{DateTime, Utc};
use events::Job;
use uuid::Uuid;

use super::{Outbox, PendingMessage, Publish};
use crate::failure::{Failure, StoreError};

/// What handlers do with a transaction to have something done later.
pub trait Delay: Publish {
    /// Puts a job into the service's own queue at a time, when and only when the transaction commits. Returns the
    /// job's id, under which it can be cancelled. A time that has passed means at once.
    ///
    /// # Errors
    /// Rejects a job of more than 256 kB. Where the store does not answer.
    fn enqueue_at<J: Job>(&mut self, job: J, due: DateTime<Utc>) -> impl Future<Output = Result<Uuid, Failure>> + Send {
        let written = self.unit_of_work().written_job(&job);
        async move {
            let mut message = written?;
            // Until then nothing has happened: whoever measures a message's age means from there on.
            message.envelope.time = message.envelope.time.max(due);
            let due = self.unit_of_work().service().environment.by_the_stores_clock(due);
            self.keep_until(due, &message).await?;
            self.unit_of_work_mut().delays();
            Ok(message.envelope.id)
        }
    }

    /// Takes a delayed job back, when and only when the transaction commits. True: it will never be handled. False: it
    /// has gone out, was cancelled before, or never was.
    fn cancel(&mut self, message: Uuid) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Keeps a message until it is due.
    fn keep_until(
        &mut self,
        due: DateTime<Utc>,
        message: &PendingMessage,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Takes out what is due by the store's clock, longest overdue first. Nothing while another replica does so.
    fn take_due(&mut self, limit: i64) -> impl Future<Output = Result<Vec<PendingMessage>, StoreError>> + Send;
}

/// A store that can keep messages until they are due.
pub trait Delays: Outbox<Tx: Delay> {
    /// How long it is until the next message is due, by the store's clock; `None` where there is none.
    fn until_due(&self) -> impl Future<Output = Result<Option<Duration>, StoreError>> + Send;

    /// How many messages are not due yet.
    fn delayed(&self) -> impl Future<Output = Result<i64, StoreError>> + Send;
}
