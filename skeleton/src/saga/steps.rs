//! The steps of a saga, and its timeout.

use chrono::{DateTime, Utc};
use events::Job;

use super::{Saga, SagaState, handled};
use crate::{
    failure::{Failure, HandlerResult},
    store::{KeepSagas, PendingMessage, SagaStep, SagaTimeout},
};

impl<T: SagaState> Saga<T> {
    /// Saves the state, and records the step in the saga's log. The text is a constant of the program: no personal
    /// data.
    ///
    /// # Errors
    /// If the store does not respond.
    pub async fn step<Tx: KeepSagas>(&mut self, tx: &mut Tx, what: &'static str) -> HandlerResult {
        self.keep(tx, what, None).await
    }

    /// The same for a step that this job undoes if the saga is compensated later.
    ///
    /// # Errors
    /// As [`Saga::step`]. Rejects a job of more than 256 kB.
    pub async fn step_undone_by<J: Job, Tx: KeepSagas>(
        &mut self,
        tx: &mut Tx,
        what: &'static str,
        job: J,
    ) -> HandlerResult {
        let compensation = tx.unit_of_work().written_job(&job)?;
        self.keep(tx, what, Some(compensation)).await
    }

    /// Sets the saga's only timeout: enqueues a job at a time, unless the saga ends before or gets another timeout.
    ///
    /// # Errors
    /// As [`crate::Delay::enqueue_at`].
    pub async fn time_out<J: Job, Tx: KeepSagas>(&mut self, tx: &mut Tx, job: J, due: DateTime<Utc>) -> HandlerResult {
        self.stop_clock(tx).await?;
        let message = tx.enqueue_at(job, due).await?;
        self.row.timeout = Some(SagaTimeout { message, due });
        Ok(tx.update_saga(&self.row).await?)
    }

    pub(super) async fn stop_clock<Tx: KeepSagas>(&mut self, tx: &mut Tx) -> HandlerResult {
        if let Some(timeout) = self.row.timeout.take() {
            // If it was already sent, its handler finds that it is no longer the saga's timeout.
            tx.cancel(timeout.message).await?;
        }
        Ok(())
    }

    async fn keep<Tx: KeepSagas>(
        &mut self,
        tx: &mut Tx,
        what: &'static str,
        compensation: Option<PendingMessage>,
    ) -> HandlerResult {
        self.row.changed_at = tx.now();
        self.row.state = serde_json::to_value(&self.state).map_err(Failure::bug)?;
        let step = SagaStep { at: self.row.changed_at, what: what.to_owned(), message: handled(tx), compensation };
        tx.update_saga(&self.row).await?;
        Ok(tx.add_saga_step(&self.row, &step).await?)
    }
}
