//! The steps of a rebuild, one after the other.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::{Projections, Rebuildable, Rebuilt, Slice, Sum, source::Doing, worker::Worker};
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
const BOOKMARK: &str = "rebuild";

/// How old a rebuild may be that is gone on with: the history must still have what came since.
const OLDEST: TimeDelta = TimeDelta::days(7);

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
pub(super) struct Place {
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

/// One step of a rebuild.
enum Step<S> {
    Slices(Doing<S>, Task),
    CatchUp,
    Swap,
    ClearAway,
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

impl<S: Rebuildable> Rebuilding<S> {
    /// Says what is otherwise than the owners have it, and changes nothing.
    ///
    /// # Errors
    /// Where an owner or the store does not answer.
    pub async fn look(self, projections: Projections<S>, stop: Stop) -> Result<Rebuilt, RebuildError> {
        let now = self.service.surroundings.now();
        for doing in projections.all {
            let place = Place { began_at: now, step: 0, slices: 0, done: 0 };
            let site = self.store.clone();
            doing(&Worker::new(&self, site, place, &stop), Task::Look).await?;
        }
        Ok(self.finished())
    }

    /// Rebuilds, from where it was left or from the beginning.
    ///
    /// # Errors
    /// Where it was stopped, an owner or the store does not answer, or both sides go on differing. It goes on from there
    /// when it is run again.
    pub async fn run(self, projections: Projections<S>, restart: bool, stop: Stop) -> Result<Rebuilt, RebuildError> {
        let steps = steps(&projections);
        let mut place = self.place(restart).await?;
        let swap = steps.iter().position(|step| matches!(step, Step::Swap));
        // Once the new one is in its place, there is nothing beside it any more.
        let site = match swap {
            Some(swap) if place.step <= swap => self.store.lay_out(place.step == 0 && place.done == 0).await?,
            _ => self.store.clone(),
        };
        while let Some(step) = steps.get(place.step) {
            let site = if swap.is_some_and(|swap| place.step > swap) { &self.store } else { &site };
            match step {
                Step::Slices(doing, task) => {
                    doing(&Worker::new(&self, site.clone(), place.clone(), &stop), *task).await?;
                }
                Step::CatchUp => self.catch_up(site, place.began_at, &stop).await?,
                Step::Swap => self.store.swap().await?,
                Step::ClearAway => self.store.clear_away().await?,
            }
            place = Place { step: place.step + 1, slices: 0, done: 0, ..place };
            keep(&self.store, &place).await?;
        }
        self.store.drop_bookmark(BOOKMARK).await?;
        self.store.drop_bookmark(CATCHING_UP).await?;
        Ok(self.finished())
    }

    async fn place(&self, restart: bool) -> Result<Place, RebuildError> {
        let now = self.service.surroundings.now();
        let kept = if restart { None } else { self.store.bookmark(BOOKMARK).await? };
        if let Some(kept) = kept {
            let place: Place = serde_json::from_value(kept).map_err(StoreError::broken)?;
            return if place.began_at < now - OLDEST { Err(RebuildError::TooOld(place.began_at)) } else { Ok(place) };
        }
        self.store.drop_bookmark(CATCHING_UP).await?;
        let place = Place { began_at: now, step: 0, slices: 0, done: 0 };
        keep(&self.store, &place).await?;
        Ok(place)
    }

    async fn catch_up(&self, site: &S, since: DateTime<Utc>, stop: &Stop) -> Result<(), RebuildError> {
        self.progress.send_modify(|rebuilt| "taking in what came meanwhile".clone_into(&mut rebuilt.step));
        let replayed = (self.catch_up)(site.clone(), since, stop.clone()).await?;
        if replayed.finished { Ok(()) } else { Err(RebuildError::Stopped) }
    }

    fn finished(&self) -> Rebuilt {
        self.progress.send_modify(|rebuilt| rebuilt.finished = true);
        self.progress.borrow().clone()
    }
}

/// Under which name the place in the history is kept.
pub(crate) const CATCHING_UP: &str = "rebuild-history";

/// Keeps the place.
pub(super) async fn keep<S: Rebuildable>(store: &S, place: &Place) -> Result<(), StoreError> {
    store.keep_bookmark(BOOKMARK, &serde_json::to_value(place).map_err(StoreError::broken)?).await
}

fn steps<S: Rebuildable>(projections: &Projections<S>) -> Vec<Step<S>> {
    let each = |task| projections.all.iter().map(move |doing| Step::Slices(*doing, task));
    let mut steps: Vec<Step<S>> = each(Task::Fill).collect();
    if S::IS_BESIDE {
        steps.push(Step::CatchUp);
        steps.extend(each(Task::Compare));
    }
    steps.extend(each(Task::Mend));
    if S::IS_BESIDE {
        steps.extend([Step::Swap, Step::CatchUp, Step::ClearAway]);
    }
    steps
}
