//! Sagas: processes over many messages, with state that is kept between them.
//!
//! A saga is a value of a service's own type, kept in the service's store. Handlers of events and jobs find it, change
//! it, and record a step, all in the transaction of the message they handle.
//!
//! Guarantees: Steps do not run concurrently. Finding a saga locks it until the transaction ends; another transaction
//! that finds it meanwhile waits, and sees the first one's changes. A step commits atomically with the effects of its
//! message. A timeout that was replaced, or whose saga has ended, has no effect, even if it was already sent.
//! Compensation undoes one step after the other, the last first, each in a job of its own.
//!
//! ```ignore
//! async fn on_paid(paid: Paid, tx: &mut Tx) -> Handled {
//!     let Some(mut order) = Saga::<Order>::find(tx, paid.order_id).await? else { return Ok(()) };
//!     order.state.pay(paid.paid_at);
//!     order.step(tx, "paid").await?;
//!     order.end(tx, "finished").await
//! }
//! ```

use chrono::{DateTime, TimeDelta, Utc};
use events::Job;
use serde::{Serialize, de::DeserializeOwned};
use uuid::Uuid;

use crate::{
    failure::{Failure, HandlerResult, StoreError},
    store::{KeepSagas, SagaPhase, SagaRow, SagaStep, SagaTimeout, Sagas},
};

/// The state of a saga. It is kept as JSON while the saga runs, across releases of the service: a new field needs a
/// default. Operators see all of it, so it holds no personal data: ids, times, counts.
pub trait SagaState: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The name of this kind of saga in the service, one word.
    const NAME: &'static str;

    /// How long a saga is kept after it has ended.
    const KEPT: TimeDelta = TimeDelta::days(30);
}

/// A saga that the transaction has locked.
#[derive(Debug)]
pub struct Saga<T> {
    row: SagaRow,
    /// Its state. Saved with the next step.
    pub state: T,
}

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

    /// Its id.
    pub fn id(&self) -> Uuid {
        self.row.id
    }

    /// When it began.
    pub fn begun_at(&self) -> DateTime<Utc> {
        self.row.begun_at
    }

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

    async fn stop_clock<Tx: KeepSagas>(&mut self, tx: &mut Tx) -> HandlerResult {
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
        compensation: Option<crate::store::PendingMessage>,
    ) -> HandlerResult {
        self.row.changed_at = tx.now();
        self.row.state = serde_json::to_value(&self.state).map_err(Failure::bug)?;
        let step = SagaStep { at: self.row.changed_at, what: what.to_owned(), message: handled(tx), compensation };
        tx.update_saga(&self.row).await?;
        Ok(tx.add_saga_step(&self.row, &step).await?)
    }
}

/// Reads the present state of a saga without a lock.
///
/// # Errors
/// If the store does not respond, or the stored state is not a `T`.
pub async fn state_of<T: SagaState, S: Sagas>(store: &S, id: Uuid) -> Result<Option<T>, StoreError> {
    store.find_saga(T::NAME, id).await?.as_ref().map(read).transpose()
}

fn read<T: SagaState>(row: &SagaRow) -> Result<T, StoreError> {
    T::deserialize(&row.state)
        .map_err(|error| StoreError::broken(format!("the saga {} {} cannot be read: {error}", row.name, row.id)))
}

/// The id of the message being handled.
fn handled(tx: &impl KeepSagas) -> Option<Uuid> {
    tx.unit_of_work().cause().map(|message| message.id)
}
