//! Delayed jobs: kept in the store by the transaction that enqueues them, and moved into the outbox at their due time.

use std::{future::Future, time::Duration};

use chrono::{DateTime, Utc};
use events::Job;
use uuid::Uuid;

use super::{Outbox, PendingMessage, Publish};
use crate::failure::{Failure, StoreError};

/// Handlers' access to delayed jobs in a transaction.
pub trait Delay: Publish {
    /// Puts a job into the service's own queue at a time, if and only if the transaction commits. Returns the job's id,
    /// with which it can be cancelled. If the time has passed, the job is sent at once.
    ///
    /// # Errors
    /// Rejects a job of more than 256 kB; fails if the store does not respond.
    fn enqueue_at<J: Job>(&mut self, job: J, due: DateTime<Utc>) -> impl Future<Output = Result<Uuid, Failure>> + Send {
        let written = self.unit_of_work().written_job(&job);
        async move {
            let mut message = written?;
            // Until the due time nothing has happened: the age of the message is measured from then.
            message.envelope.time = message.envelope.time.max(due);
            let due = self.unit_of_work().service().environment.by_the_stores_clock(due);
            self.keep_until(due, &message).await?;
            self.unit_of_work_mut().delays();
            Ok(message.envelope.id)
        }
    }

    /// Cancels a delayed job if and only if the transaction commits. Returns true if the job will never be handled.
    /// Returns false if it has been sent, was cancelled before, or never existed.
    fn cancel(&mut self, message: Uuid) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Keeps a message until its due time.
    fn keep_until(
        &mut self,
        due: DateTime<Utc>,
        message: &PendingMessage,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Takes out the messages that are due by the store's clock, longest overdue first. Returns none while another
    /// replica does so.
    fn take_due(&mut self, limit: i64) -> impl Future<Output = Result<Vec<PendingMessage>, StoreError>> + Send;
}

/// A store that can keep messages until their due time.
pub trait Delays: Outbox<Tx: Delay> {
    /// The time until the next message is due, by the store's clock; `None` if there is none.
    fn until_due(&self) -> impl Future<Output = Result<Option<Duration>, StoreError>> + Send;

    /// The number of messages that are not due yet.
    fn delayed(&self) -> impl Future<Output = Result<i64, StoreError>> + Send;
}
