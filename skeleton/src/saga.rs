//! Sagas: what goes on over many messages and is remembered between them.
//!
//! A saga is a value of the service's own that is kept in the service's store. Handlers of events and jobs find it,
//! change it, and say what step that was, all in the transaction of the message they handle.
//!
//! It promises: one step at a time. Whoever finds a saga locks it until the transaction ends; another who finds it
//! meanwhile waits, and sees what the first has left. A step is kept together with the effects of its message, or
//! neither is. A time-out that was replaced, or whose saga has ended, has no effect, even when it had gone out. What a
//! saga did is undone one step after the other, the last first, each by a job of its own.
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

/// What a saga remembers. Kept as JSON while it goes on, over releases of the service: a new field needs a default.
/// Operators see all of it, so it holds no personal data: ids, times, counts.
pub trait SagaState: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Names the kind of saga in this service, one word.
    const NAME: &'static str;

    /// How long a saga is kept once it has ended.
    const KEPT: TimeDelta = TimeDelta::days(30);
}

/// A saga that the transaction has locked.
#[derive(Debug)]
pub struct Saga<T> {
    row: SagaRow,
    /// What it remembers. Kept with the next step.
    pub state: T,
}

impl<T: SagaState> Saga<T> {
    /// Begins a saga; `None` where one of this id has begun before.
    ///
    /// # Errors
    /// Where the store does not answer.
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

    /// A saga that is running; `None` where there is none, or it has ended or was given up. Waits for whoever takes a
    /// step of it.
    ///
    /// # Errors
    /// Where the store does not answer, or what it keeps is no `T`.
    pub async fn find<Tx: KeepSagas>(tx: &mut Tx, id: Uuid) -> Result<Option<Self>, Failure> {
        Self::in_phase(tx, id, SagaPhase::Running).await
    }

    /// A running saga whose time-out is the job that is handled; `None` where it has another by now, or none.
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

    /// A saga that was given up and is being undone.
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

    /// Keeps its state, and what was done in its log. The words are the program's, never data: no person is in them.
    ///
    /// # Errors
    /// Where the store does not answer.
    pub async fn step<Tx: KeepSagas>(&mut self, tx: &mut Tx, what: &'static str) -> HandlerResult {
        self.keep(tx, what, None).await
    }

    /// The same for a step that is undone by this job, should the saga be given up later.
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

    /// Has a job done at a time, unless the saga ends before or is given another time-out: it has one.
    ///
    /// # Errors
    /// As [`crate::Delay::enqueue_at`].
    pub async fn time_out<J: Job, Tx: KeepSagas>(&mut self, tx: &mut Tx, job: J, due: DateTime<Utc>) -> HandlerResult {
        self.stop_clock(tx).await?;
        let message = tx.enqueue_at(job, due).await?;
        self.row.timeout = Some(SagaTimeout { message, due });
        Ok(tx.update_saga(&self.row).await?)
    }

    /// Brings it to its end.
    ///
    /// # Errors
    /// As [`Saga::step`].
    pub async fn end<Tx: KeepSagas>(mut self, tx: &mut Tx, what: &'static str) -> HandlerResult {
        self.stop_clock(tx).await?;
        self.close(tx, SagaPhase::Done);
        self.step(tx, what).await
    }

    /// Gives it up: the job that undoes its last step goes into the queue. That job's handler finds the saga with
    /// [`Saga::compensating`] and says with [`Saga::compensated`] that it has done so; then it is the turn of the step
    /// before.
    ///
    /// # Errors
    /// As [`Saga::step`].
    pub async fn give_up<Tx: KeepSagas>(mut self, tx: &mut Tx, what: &'static str) -> HandlerResult {
        self.stop_clock(tx).await?;
        self.row.phase = SagaPhase::Compensating;
        self.step(tx, what).await?;
        self.undo_next(tx).await
    }

    /// One step is undone: now the one before, or that was all.
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
            // Where it has gone out already, its handler finds that it is the time-out no more.
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

/// What a saga remembers just now, for who only looks: nothing is locked.
///
/// # Errors
/// Where the store does not answer, or what it keeps is no `T`.
pub async fn state_of<T: SagaState, S: Sagas>(store: &S, id: Uuid) -> Result<Option<T>, StoreError> {
    store.find_saga(T::NAME, id).await?.as_ref().map(read).transpose()
}

fn read<T: SagaState>(row: &SagaRow) -> Result<T, StoreError> {
    T::deserialize(&row.state)
        .map_err(|error| StoreError::broken(format!("the saga {} {} cannot be read: {error}", row.name, row.id)))
}

/// The message that is handled.
fn handled(tx: &impl KeepSagas) -> Option<Uuid> {
    tx.unit_of_work().cause().map(|message| message.id)
}
