//! Confirmations: the only kind of event that a store without an outbox may send.
//!
//! A confirmation states that a message was handled completely, and nothing else. It is sent after the writes and
//! before the message is acknowledged, and the broker must confirm it. A crash in between leaves the message
//! unacknowledged: it is handled again, and confirmed again under the same id, which is derived from the message's id.
//! So each consumer receives the confirmation at least once, and its inbox ignores repeats.
//!
//! Do not use it for other events: an event about the current state could be sent twice with different content, and out
//! of order.

use std::collections::HashMap;

use events::{Envelope, Event};
use uuid::Uuid;

use crate::{
    failure::{Failure, StoreError},
    store::{OutboxRow, Outgoing, ServiceContext, UnitOfWork, checks, in_all_versions},
};

/// An event that reports how many documents of an account became tombstones, once that is known.
pub(super) struct Confirmation {
    owner: Uuid,
    cause: Envelope,
    written: Box<dyn FnOnce(u64) -> Result<Written, Failure> + Send + Sync>,
}

struct Written {
    name: &'static str,
    key: &'static str,
    subject: Option<String>,
    body: Vec<u8>,
}

impl Confirmation {
    /// Creates a confirmation of the current message.
    ///
    /// # Errors
    /// Fails with a bug if there is no current message.
    pub fn of<E: Event>(
        work: &UnitOfWork,
        owner: Uuid,
        event: impl FnOnce(u64) -> E + Send + Sync + 'static,
    ) -> Result<Self, Failure> {
        let cause = work.cause().cloned().ok_or_else(|| Failure::bug("there is no current message to confirm"))?;
        let written = Box::new(move |count| {
            let event = event(count);
            let (body, subject) = (serde_json::to_vec(&event).map_err(Failure::bug)?, event.subject());
            checks::subject(subject.as_deref())?;
            checks::schema::<E>(&body)?;
            Ok(Written { name: E::NAME, key: E::KEY, subject, body })
        });
        Ok(Self { owner, cause, written })
    }

    fn into_messages(self, service: &ServiceContext, buried: u64) -> Result<Vec<Outgoing>, StoreError> {
        let Written { name, key, subject, body } = (self.written)(buried).map_err(StoreError::broken)?;
        let cause = self.cause;
        let envelope = Envelope {
            id: Uuid::new_v5(&cause.id, name.as_bytes()),
            name: name.to_owned(),
            source: format!("/{}", service.name),
            time: service.environment.now(),
            subject,
            // Only a transaction with an outbox assigns sequences.
            sequence: None,
            trace: Some(service.environment.child_of(cause.trace)),
            correlation_id: Some(cause.correlation_id.unwrap_or(cause.id)),
            causation_id: Some(cause.id),
            actor: cause.actor,
            deadline: None,
        };
        let exchange = format!("events.{}", service.name);
        Ok(in_all_versions(OutboxRow { position: 0, exchange, routing_key: key.to_owned(), envelope, body }))
    }
}

/// Sends confirmations and waits for the publisher confirms.
pub(super) async fn send(
    service: &ServiceContext,
    confirmations: Vec<Confirmation>,
    buried: &HashMap<Uuid, u64>,
) -> Result<(), StoreError> {
    let mut messages = Vec::new();
    for confirmation in confirmations {
        let count = buried.get(&confirmation.owner).copied().unwrap_or(0);
        messages.extend(confirmation.into_messages(service, count)?);
    }
    if messages.is_empty() || service.send(messages).await {
        return Ok(());
    }
    // Treated as an unavailable store: the message is not at fault, so it waits without counting an attempt.
    Err(StoreError::unavailable("the broker has not confirmed the published events"))
}
