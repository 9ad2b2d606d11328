//! Dropping: a message whose handler says that it has no effect here is recorded as handled, without its handler.

use metrics::counter;
use tracing::info;

use super::{Queue, aside::Raw, handling::Ended};
use crate::{
    failure::{Failure, Problem},
    store::{Store, Transaction, envelope_in},
};

impl<S: Store> Queue<S> {
    /// Drops a message. What its handler has written was rolled back. In a transaction of its own the message gets its inbox
    /// row, its line moves on, a job that it is a step of ends, and what is kept of it is removed.
    pub(super) async fn drop_message(&self, message: &Raw, reason: &str) -> Result<(), Failure> {
        let envelope =
            envelope_in(&message.headers).map_err(|error| Problem::new(400, "malformed-message", error.to_string()))?;
        let mut tx = self.store.begin(&self.service, &[envelope.id]).await?;
        tx.unit_of_work_mut().drop_messages();
        tx.take_waiting(message.id).await?;
        match self.handle_in(&mut tx, &[(&envelope, &message.body[..])]).await {
            Ok(Ended::Done) => self.commit(tx).await?,
            other => {
                tx.rollback().await;
                return other.and(Err(Failure::retry("it is not the turn of the message that is dropped")));
            }
        }
        self.store.forget_waiting(message.id).await?;
        self.service.ended(message.id, "dropped", Some(reason));
        counter!("messages_handled_total", "queue" => self.name.clone(), "name" => message.name.clone(), "outcome" => "dropped")
            .increment(1);
        info!(message.id = %message.id, message.name = message.name, reason, "a message was dropped");
        Ok(())
    }
}
