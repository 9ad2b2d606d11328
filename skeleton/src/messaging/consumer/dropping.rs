//! Dropping: a message that has no effect here, according to its handler, is recorded as handled without calling it.

use events::Envelope;
use metrics::counter;
use tracing::info;

use super::{
    Queue,
    aside::Raw,
    handling::{Ended, Outcomes},
};
use crate::{
    failure::{Failure, Problem},
    store::{Store, Transaction},
};

impl<S: Store> Queue<S> {
    /// Drops a message after the handler's writes were rolled back. A separate transaction writes the inbox row,
    /// advances the subject cursor, ends the job that the message is a step of, and deletes the message's set-aside
    /// row.
    pub(super) async fn drop_message(&self, message: &Raw, reason: &str) -> Result<(), Failure> {
        let Some(envelope) = &message.envelope else {
            return Err(Problem::new(400, "malformed-message", "the dropped message has no envelope").into());
        };
        let envelope = Envelope { id: message.id, ..envelope.clone() };
        let mut tx = self.store.begin(&self.service, &[envelope.id]).await?;
        tx.unit_of_work_mut().drop_messages();
        tx.take_waiting(message.id).await?;
        match self.handle_in(&mut tx, &[(&envelope, &message.body[..])], &mut Outcomes::new()).await {
            Ok(Ended::Done) => self.commit(tx).await?,
            other => {
                tx.rollback().await;
                return other.and(Err(Failure::retry("the dropped message waits for its predecessor")));
            }
        }
        self.store.forget_waiting(message.id).await?;
        self.service.ended(message.id, "dropped", Some(reason));
        counter!("messages_handled_total", "queue" => self.name.clone(), "name" => self.label(&message.name), "outcome" => "dropped")
            .increment(1);
        info!(message.id = %message.id, message.name = message.name, reason, "message dropped");
        Ok(())
    }
}
