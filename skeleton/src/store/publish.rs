//! What handlers can do with a transaction.

use std::{any::Any, sync::Arc};

use chrono::{DateTime, Utc};
use events::{Event, Job};
use uuid::Uuid;

use super::Transaction;
use crate::failure::Failure;

/// What handlers can do with a transaction besides reading and writing their own data.
pub trait Publish: Transaction {
    /// Publishes an event if and only if the transaction commits.
    ///
    /// # Errors
    /// Rejects a message of more than 256 kB, or with a subject of more than 1,024 bytes.
    fn publish<E: Event>(&mut self, event: E) -> Result<(), Failure> {
        let exchange = format!("events.{}", self.unit_of_work().service().name);
        self.unit_of_work_mut().stage(exchange, &event).map(drop)
    }

    /// Puts a job into the service's own queue if and only if the transaction commits. Returns the job's id.
    ///
    /// # Errors
    /// Rejects a job of more than 256 kB, or with a subject of more than 1,024 bytes.
    fn enqueue<J: Job>(&mut self, job: J) -> Result<Uuid, Failure> {
        let exchange = format!("jobs.{}", self.unit_of_work().service().name);
        self.unit_of_work_mut().stage(exchange, &job)
    }

    /// The current time of the service's clock.
    fn now(&self) -> DateTime<Utc> {
        self.unit_of_work().service().environment.now()
    }

    /// Generates a random id that is safe to expose.
    fn new_id(&self) -> Uuid {
        self.unit_of_work().service().environment.new_id()
    }

    /// The id of the current message: the same for each delivery of it.
    fn message_id(&self) -> Option<Uuid> {
        self.unit_of_work().cause().map(|message| message.id)
    }

    /// The time at which the current message was written, by its sender's clock. Compare it only with other times of that
    /// sender.
    fn message_time(&self) -> Option<DateTime<Utc>> {
        self.unit_of_work().cause().map(|message| message.time)
    }

    /// Whether the current event comes from a replay: an operator has decided to handle past events again.
    fn is_replay(&self) -> bool {
        self.unit_of_work().service().is_replay()
    }

    /// The sequence of the current event, among those of its subject.
    ///
    /// # Errors
    /// Rejects a message without a sequence.
    fn sequence(&self) -> Result<i64, Failure> {
        self.unit_of_work().sequence()
    }

    /// A resource of the service, found by its type.
    fn resource<T: Any + Send + Sync>(&self) -> Arc<T> {
        self.unit_of_work().service().get()
    }
}
