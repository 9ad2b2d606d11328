//! Ends and compensates sagas.

use super::{Saga, SagaState};
use crate::{
    failure::HandlerResult,
    store::{KeepSagas, SagaPhase},
};

impl<T: SagaState> Saga<T> {
    /// Ends the saga.
    ///
    /// # Errors
    /// As [`Saga::step`].
    pub async fn end<Tx: KeepSagas>(mut self, tx: &mut Tx, what: &'static str) -> HandlerResult {
        self.stop_clock(tx).await?;
        self.close(tx, SagaPhase::Done);
        self.step(tx, what).await
    }

    /// Starts the compensation: enqueues the job that undoes the last step. That job's handler finds the saga with
    /// [`Saga::compensating`] and reports the step as undone with [`Saga::compensated`]; then the step before it
    /// follows.
    ///
    /// # Errors
    /// As [`Saga::step`].
    pub async fn give_up<Tx: KeepSagas>(mut self, tx: &mut Tx, what: &'static str) -> HandlerResult {
        self.stop_clock(tx).await?;
        self.row.phase = SagaPhase::Compensating;
        self.step(tx, what).await?;
        self.undo_next(tx).await
    }

    /// Reports one step as undone: enqueues the job for the one before, or ends the saga if there is none.
    ///
    /// # Errors
    /// As [`Saga::step`].
    pub async fn compensated<Tx: KeepSagas>(mut self, tx: &mut Tx, what: &'static str) -> HandlerResult {
        self.step(tx, what).await?;
        self.undo_next(tx).await
    }

    async fn undo_next<Tx: KeepSagas>(mut self, tx: &mut Tx) -> HandlerResult {
        if let Some(job) = tx.take_compensation(&self.row).await? {
            tx.unit_of_work_mut().release(vec![job]);
            return Ok(());
        }
        self.close(tx, SagaPhase::Compensated);
        self.step(tx, "all undone").await
    }

    fn close<Tx: KeepSagas>(&mut self, tx: &Tx, phase: SagaPhase) {
        self.row.phase = phase;
        self.row.keep_until = Some(tx.now() + T::KEPT);
    }
}
