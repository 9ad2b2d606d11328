//! A rebuild that runs: what it works with, where it is, and why it may end.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::{Rebuildable, Rebuilt, Slice, Sum};
use crate::{
    failure::{Failure, Problem, StoreError},
    messaging::{
        history::{ReplayError, Replayed},
        requests::Requests,
    },
    stop::Stop,
    store::ServiceContext,
};

/// Under which name the place of a rebuild is kept.
pub(super) const BOOKMARK: &str = "rebuild";

/// Why a rebuild has ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// It was told to.
    #[error("stopped: run it again to go on")]
    Stopped,
    /// It was begun too long ago to be gone on with.
    #[error("a rebuild was begun at {0}, too long ago to be gone on with: begin anew with --restart")]
    TooOld(DateTime<Utc>),
    /// The service has nothing that could be made again.
    #[error("this service owns its data: there is nothing that it could be made from")]
    NothingToDo,
    /// The owner does not answer.
    #[error("the owner does not answer: {}", .0.detail)]
    Unanswered(Problem),
    /// Both sides differ, and go on differing.
    #[error("{things} {slice}: here are {here}, their owner has {there}; {reason}")]
    Differs {
        /// What differs.
        things: &'static str,
        /// Where.
        slice: Slice,
        /// What is here.
        here: Sum,
        /// What the owner has.
        there: Sum,
        /// What the last attempt to write something said.
        reason: String,
    },
    /// What came meanwhile cannot be read.
    #[error(transparent)]
    History(#[from] ReplayError),
    /// The store does not do its part.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What follows from the things cannot be mended.
    #[error("what follows from {things} cannot be mended: {failure}")]
    Mending {
        /// The things.
        things: &'static str,
        /// Why.
        failure: Failure,
    },
}

/// Where a rebuild is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct RebuildPosition {
    /// When the rebuild began.
    pub began_at: DateTime<Utc>,
    /// Which step it is at.
    pub step: usize,
    /// How many slices the step has, once that is known.
    pub slices: usize,
    /// How many of them are done.
    pub done: usize,
}

/// Feeds a store with what has happened since a time.
pub type CatchingUp<S> =
    Arc<dyn Fn(S, DateTime<Utc>, Stop) -> BoxFuture<'static, Result<Replayed, ReplayError>> + Send + Sync>;

/// A rebuild: everything that it works with.
pub struct Rebuilding<S> {
    /// The store that is in use.
    pub store: S,
    /// Asks the owners.
    pub requests: Requests,
    /// The service.
    pub service: Arc<ServiceContext>,
    /// Reads the history.
    pub catch_up: CatchingUp<S>,
    /// Where it tells how far it is.
    pub progress: watch::Sender<Rebuilt>,
}

/// What is done with a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Task {
    /// Only says what is otherwise.
    Look,
    /// Writes everything.
    Fill,
    /// Writes what is otherwise.
    Compare,
    /// Mends what follows from all.
    Mend,
}

/// Keeps the place.
pub(super) async fn keep<S: Rebuildable>(store: &S, place: &RebuildPosition) -> Result<(), StoreError> {
    store.keep_bookmark(BOOKMARK, &serde_json::to_value(place).map_err(StoreError::broken)?).await
}
