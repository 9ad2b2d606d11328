//! Sagas as a store keeps them: state, log, and the one time-out.

use std::future::Future;

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::{Delay, PendingMessage, Store};
use crate::failure::StoreError;

/// How far a saga has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum SagaPhase {
    /// It waits for what comes next.
    Running,
    /// It has come to its end.
    Done,
    /// It was given up; what it did is being undone, the last first.
    Compensating,
    /// It was given up, and what it did is undone.
    Compensated,
}

impl SagaPhase {
    /// The word that stores keep.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Compensating => "compensating",
            Self::Compensated => "compensated",
        }
    }

    /// Reads the word that stores keep.
    ///
    /// # Errors
    /// Where it is none of ours.
    pub fn parse(word: &str) -> Result<Self, StoreError> {
        let all = [Self::Running, Self::Done, Self::Compensating, Self::Compensated];
        let found = all.into_iter().find(|phase| phase.as_str() == word);
        found.ok_or_else(|| StoreError::broken(format!("a saga is kept as {word}, which is no phase")))
    }
}

/// A saga's time-out: a delayed job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SagaTimeout {
    /// The job's id.
    pub message: Uuid,
    /// When it goes out.
    pub due: DateTime<Utc>,
}

/// A saga, its state as JSON.
#[derive(Clone, Debug, PartialEq)]
pub struct SagaRow {
    /// Its kind.
    pub name: String,
    /// Tells it from others of its kind.
    pub id: Uuid,
    /// How far it has come.
    pub phase: SagaPhase,
    /// What it remembers.
    pub state: Value,
    /// What happens should nothing else happen before.
    pub timeout: Option<SagaTimeout>,
    /// When it began.
    pub begun_at: DateTime<Utc>,
    /// When it took its last step.
    pub changed_at: DateTime<Utc>,
    /// When it may be forgotten: set at its end.
    pub keep_until: Option<DateTime<Utc>>,
}

/// A line of a saga's log.
#[derive(Clone, Debug)]
pub struct SagaStep {
    /// When.
    pub at: DateTime<Utc>,
    /// What was done.
    pub what: String,
    /// The message whose handling did it.
    pub message: Option<Uuid>,
    /// The job that undoes it.
    pub compensation: Option<PendingMessage>,
}

/// A transaction that keeps sagas. Handlers use [`crate::saga::Saga`] instead.
pub trait KeepSagas: Delay {
    /// Puts a saga in. False where one of this name and id is there.
    fn insert_saga(&mut self, saga: &SagaRow) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// A saga, locked until the transaction ends.
    fn lock_saga(&mut self, name: &str, id: Uuid) -> impl Future<Output = Result<Option<SagaRow>, StoreError>> + Send;

    /// Writes phase, state, time-out and times of a saga that is locked.
    fn update_saga(&mut self, saga: &SagaRow) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Adds a line to the log of a saga that is locked.
    fn add_saga_step(&mut self, saga: &SagaRow, step: &SagaStep)
    -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Takes out the newest compensation of a saga that is locked.
    fn take_compensation(
        &mut self,
        saga: &SagaRow,
    ) -> impl Future<Output = Result<Option<PendingMessage>, StoreError>> + Send;
}

/// A store that keeps sagas, for those who look at them.
pub trait Sagas: Store<Tx: KeepSagas> {
    /// Sagas, those that changed last first.
    fn list_sagas(
        &self,
        phase: Option<SagaPhase>,
        limit: i64,
    ) -> impl Future<Output = Result<Vec<SagaRow>, StoreError>> + Send;

    /// The sagas of an id, of whatever kind, each with its log.
    fn sagas_of(&self, id: Uuid) -> impl Future<Output = Result<Vec<(SagaRow, Vec<SagaStep>)>, StoreError>> + Send;

    /// One saga.
    fn find_saga(&self, name: &str, id: Uuid) -> impl Future<Output = Result<Option<SagaRow>, StoreError>> + Send;
}
