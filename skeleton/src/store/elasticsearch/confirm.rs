//! Confirmations: the one kind of event that a store without an outbox may send.
//!
//! A confirmation says that a message was handled to its end, and nothing else. It is sent after the writes and before
//! the message is acknowledged, and the broker must confirm it. A crash between the two leaves the message
//! unacknowledged: it is handled again, and confirmed again under the same id, which is made from the message's. So
//! whoever hears of it hears of it at least once, and takes it in once.
//!
//! Not for anything else: what says how things are now could be sent twice in two forms, and out of order.

use std::collections::HashMap;

use events::{Envelope, Event};
use uuid::Uuid;

use crate::{
    failure::{Failure, StoreError},
    store::{OutboxRow, Outgoing, ServiceContext, UnitOfWork, checks, in_all_versions},
};

/// An event that says how many documents of an account were buried, once that is known.
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
    /// A confirmation of the message that is handled.
    ///
    /// # Errors
    /// A bug where none is.
    pub fn of<E: Event>(
        work: &UnitOfWork,
        owner: Uuid,
        event: impl FnOnce(u64) -> E + Send + Sync + 'static,
    ) -> Result<Self, Failure> {
        let cause = work.cause().cloned().ok_or_else(|| Failure::bug("nothing is handled that could be confirmed"))?;
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
            // Numbers are given out by a transaction with an outbox.
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

/// Sends confirmations, and waits until the broker has them.
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
    // As with a store that does not answer: nothing is wrong with the message, so it waits without a count.
    Err(StoreError::unavailable("the broker has not confirmed what was to be sent"))
}
