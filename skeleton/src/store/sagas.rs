//! Sagas in a store: state, log and timeout.

use std::future::Future;

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::{Delay, PendingMessage, Store};
use crate::failure::StoreError;

/// The phase of a saga.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum SagaPhase {
    /// It waits for its next message.
    Running,
    /// It has ended.
    Done,
    /// It failed, and its steps are being compensated, the latest first.
    Compensating,
    /// It failed, and its steps have been compensated.
    Compensated,
}

impl SagaPhase {
    /// The word that stores use for the phase.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Compensating => "compensating",
            Self::Compensated => "compensated",
        }
    }

    /// Parses the word that stores use.
    ///
    /// # Errors
    /// Fails if the word is unknown.
    pub fn parse(word: &str) -> Result<Self, StoreError> {
        let all = [Self::Running, Self::Done, Self::Compensating, Self::Compensated];
        let found = all.into_iter().find(|phase| phase.as_str() == word);
        found.ok_or_else(|| StoreError::broken(format!("unknown saga phase in the store: {word}")))
    }
}

/// A saga's timeout: a delayed job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SagaTimeout {
    /// The job's id.
    pub message: Uuid,
    /// When the job is due.
    pub due: DateTime<Utc>,
}

/// A saga, with its state as JSON.
#[derive(Clone, Debug, PartialEq)]
pub struct SagaRow {
    /// The saga's name.
    pub name: String,
    /// Its id, unique among the sagas of this name.
    pub id: Uuid,
    /// Its phase.
    pub phase: SagaPhase,
    /// Its state.
    pub state: Value,
    /// Its timeout, if one is set.
    pub timeout: Option<SagaTimeout>,
    /// When it began.
    pub begun_at: DateTime<Utc>,
    /// When it last changed.
    pub changed_at: DateTime<Utc>,
    /// When it may be deleted; set when it ends.
    pub keep_until: Option<DateTime<Utc>>,
}

/// An entry in a saga's log.
#[derive(Clone, Debug)]
pub struct SagaStep {
    /// When the step was taken.
    pub at: DateTime<Utc>,
    /// What was done.
    pub what: String,
    /// The message whose handler took the step.
    pub message: Option<Uuid>,
    /// The job that undoes the step.
    pub compensation: Option<PendingMessage>,
}

/// A transaction that keeps sagas. Handlers use [`crate::saga::Saga`] instead.
pub trait KeepSagas: Delay {
    /// Inserts a saga. Returns false if one with this name and id exists.
    fn insert_saga(&mut self, saga: &SagaRow) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Loads a saga and locks it until the transaction ends.
    fn lock_saga(&mut self, name: &str, id: Uuid) -> impl Future<Output = Result<Option<SagaRow>, StoreError>> + Send;

    /// Updates phase, state, timeout and times of a locked saga.
    fn update_saga(&mut self, saga: &SagaRow) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Appends an entry to the log of a locked saga.
    fn add_saga_step(&mut self, saga: &SagaRow, step: &SagaStep)
    -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Takes out the newest compensation of a locked saga.
    fn take_compensation(
        &mut self,
        saga: &SagaRow,
    ) -> impl Future<Output = Result<Option<PendingMessage>, StoreError>> + Send;
}

/// A store that keeps sagas, as operators see it.
pub trait Sagas: Store<Tx: KeepSagas> {
    /// Lists sagas, the most recently changed first.
    fn list_sagas(
        &self,
        phase: Option<SagaPhase>,
        limit: i64,
    ) -> impl Future<Output = Result<Vec<SagaRow>, StoreError>> + Send;

    /// The sagas of any name with this id, each with its log.
    fn sagas_of(&self, id: Uuid) -> impl Future<Output = Result<Vec<(SagaRow, Vec<SagaStep>)>, StoreError>> + Send;

    /// Finds one saga.
    fn find_saga(&self, name: &str, id: Uuid) -> impl Future<Output = Result<Option<SagaRow>, StoreError>> + Send;
}
