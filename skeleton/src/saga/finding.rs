//! Begins and finds sagas.

use uuid::Uuid;

use super::{Saga, SagaState, handled, read};
use crate::{
    failure::Failure,
    store::{KeepSagas, SagaPhase, SagaRow},
};

impl<T: SagaState> Saga<T> {
    /// Begins a saga; `None` if one with this id was begun before.
    ///
    /// # Errors
    /// If the store does not respond.
    pub async fn begin<Tx: KeepSagas>(tx: &mut Tx, id: Uuid, state: T) -> Result<Option<Self>, Failure> {
        let now = tx.now();
        let row = SagaRow {
            name: T::NAME.to_owned(),
            id,
            phase: SagaPhase::Running,
            state: serde_json::to_value(&state).map_err(Failure::bug)?,
            timeout: None,
            begun_at: now,
            changed_at: now,
            keep_until: None,
        };
        let mut saga = Self { row, state };
        if !tx.insert_saga(&saga.row).await? {
            return Ok(None);
        }
        saga.step(tx, "begun").await?;
        Ok(Some(saga))
    }

    /// Finds a running saga; `None` if there is none, or it has ended or is being compensated. Waits for a transaction
    /// that has locked it.
    ///
    /// # Errors
    /// If the store does not respond, or the stored state is not a `T`.
    pub async fn find<Tx: KeepSagas>(tx: &mut Tx, id: Uuid) -> Result<Option<Self>, Failure> {
        Self::in_phase(tx, id, SagaPhase::Running).await
    }

    /// Finds a running saga whose timeout is the job being handled; `None` if it has another timeout by now, or none.
    ///
    /// # Errors
    /// As [`Saga::find`].
    pub async fn timed_out<Tx: KeepSagas>(tx: &mut Tx, id: Uuid) -> Result<Option<Self>, Failure> {
        let job = handled(tx);
        let found = Self::find(tx, id).await?;
        let Some(mut saga) = found.filter(|saga| job.is_some() && saga.row.timeout.map(|it| it.message) == job) else {
            return Ok(None);
        };
        saga.row.timeout = None;
        Ok(Some(saga))
    }

    /// Finds a saga that is being compensated.
    ///
    /// # Errors
    /// As [`Saga::find`].
    pub async fn compensating<Tx: KeepSagas>(tx: &mut Tx, id: Uuid) -> Result<Option<Self>, Failure> {
        Self::in_phase(tx, id, SagaPhase::Compensating).await
    }

    async fn in_phase<Tx: KeepSagas>(tx: &mut Tx, id: Uuid, phase: SagaPhase) -> Result<Option<Self>, Failure> {
        let found = tx.lock_saga(T::NAME, id).await?;
        let Some(row) = found.filter(|row| row.phase == phase) else { return Ok(None) };
        let state = read(&row)?;
        Ok(Some(Self { row, state }))
    }
}
