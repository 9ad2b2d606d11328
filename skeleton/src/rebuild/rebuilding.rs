//! A running rebuild: its context, its position and its errors.

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

/// The name of the bookmark that holds the position of a rebuild.
pub(super) const BOOKMARK: &str = "rebuild";

/// Why a rebuild ended early.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// It was stopped.
    #[error("stopped: run it again to continue")]
    Stopped,
    /// It began too long ago to be continued.
    #[error("a rebuild was begun at {0}, too long ago to be continued: start again with --restart")]
    TooOld(DateTime<Utc>),
    /// The service has no read models.
    #[error("this service owns its data: there is nothing to rebuild it from")]
    NothingToDo,
    /// The owner does not answer.
    #[error("the owner does not answer: {}", .0.detail)]
    Unanswered(Problem),
    /// Both sides still differ after all attempts.
    #[error("{things} {slice}: this service has {here}, the owner has {there}; {reason}")]
    Differs {
        /// The entities that differ.
        things: &'static str,
        /// The slice.
        slice: Slice,
        /// The sum in this service.
        here: Sum,
        /// The sum at the owner.
        there: Sum,
        /// Why the last write failed.
        reason: String,
    },
    /// The history cannot be read.
    #[error(transparent)]
    History(#[from] ReplayError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Derived data cannot be repaired.
    #[error("the data derived from {things} cannot be repaired: {failure}")]
    Mending {
        /// The entities.
        things: &'static str,
        /// The failure.
        failure: Failure,
    },
}

/// The position of a rebuild.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct RebuildPosition {
    /// When the rebuild began.
    pub began_at: DateTime<Utc>,
    /// The current step.
    pub step: usize,
    /// How many slices the step has, once known.
    pub slices: usize,
    /// How many slices are done.
    pub done: usize,
}

/// Applies to a store the events since a time.
pub type CatchingUp<S> =
    Arc<dyn Fn(S, DateTime<Utc>, Stop) -> BoxFuture<'static, Result<Replayed, ReplayError>> + Send + Sync>;

/// The context of a rebuild.
pub struct Rebuilding<S> {
    /// The store in use.
    pub store: S,
    /// The client for requests to the owners.
    pub requests: Requests,
    /// The service.
    pub service: Arc<ServiceContext>,
    /// Reads the history.
    pub catch_up: CatchingUp<S>,
    /// Where it reports progress.
    pub progress: watch::Sender<Rebuilt>,
}

/// What to do with a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Task {
    /// Only reports differences.
    Look,
    /// Writes everything.
    Fill,
    /// Writes what differs.
    Compare,
    /// Repairs derived data.
    Mend,
}

/// Saves the position.
pub(super) async fn keep<S: Rebuildable>(store: &S, place: &RebuildPosition) -> Result<(), StoreError> {
    store.keep_bookmark(BOOKMARK, &serde_json::to_value(place).map_err(StoreError::broken)?).await
}
