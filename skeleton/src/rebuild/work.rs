//! The steps of a rebuild, one after the other.

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    Projections, Rebuildable, Rebuilt,
    projections::Doing,
    rebuilding::{BOOKMARK, RebuildError, RebuildPosition, Rebuilding, Task, keep},
    worker::Worker,
};
use crate::{failure::StoreError, stop::Stop};

/// The greatest age of a rebuild that is continued: the history must still hold all events since.
const OLDEST: TimeDelta = TimeDelta::days(7);

/// One step of a rebuild.
enum Step<S> {
    Slices(Doing<S>, Task),
    CatchUp,
    Swap,
    ClearAway,
}

impl<S: Rebuildable> Rebuilding<S> {
    /// Reports differences from the owners and changes nothing.
    ///
    /// # Errors
    /// If an owner or the store does not answer.
    pub async fn look(self, projections: Projections<S>, stop: Stop) -> Result<Rebuilt, RebuildError> {
        let now = self.service.environment.now();
        for doing in projections.all {
            let place = RebuildPosition { began_at: now, step: 0, slices: 0, done: 0 };
            let site = self.store.clone();
            doing(&Worker::new(&self, site, place, &stop), Task::Look).await?;
        }
        Ok(self.finished())
    }

    /// Rebuilds, from the last position or from the beginning.
    ///
    /// # Errors
    /// If it was stopped, an owner or the store does not answer, or both sides still differ. The next run continues
    /// from there.
    pub async fn run(self, projections: Projections<S>, restart: bool, stop: Stop) -> Result<Rebuilt, RebuildError> {
        let steps = steps(&projections);
        let mut place = self.place(restart).await?;
        let swap = steps.iter().position(|step| matches!(step, Step::Swap));
        // Once the new data is swapped in, nothing is left beside it.
        let site = match swap {
            Some(swap) if place.step <= swap => self.store.lay_out(place.step == 0 && place.done == 0).await?,
            _ => self.store.clone(),
        };
        let mut differs: Option<RebuildError> = None;
        while let Some(step) = steps.get(place.step) {
            let site = if swap.is_some_and(|swap| place.step > swap) { &self.store } else { &site };
            match step {
                Step::Slices(doing, task) => {
                    let worker = Worker::new(&self, site.clone(), place.clone(), &stop);
                    // The next run begins with the first step: nothing behind a difference counts as done.
                    let worker = if differs.is_some() { worker.without_keeping() } else { worker };
                    match doing(&worker, *task).await {
                        // In place, what can be rebuilt is. Beside, the data in use is the better one.
                        Err(error @ RebuildError::Differs { .. }) if !S::IS_BESIDE => {
                            differs.get_or_insert(error);
                        }
                        outcome => outcome?,
                    }
                }
                Step::CatchUp => self.catch_up(site, place.began_at, &stop).await?,
                Step::Swap => self.store.swap().await?,
                Step::ClearAway => self.store.clear_away().await?,
            }
            place = RebuildPosition { step: place.step + 1, slices: 0, done: 0, ..place };
            if differs.is_none() {
                keep(&self.store, &place).await?;
            }
        }
        if let Some(differs) = differs {
            return Err(differs);
        }
        self.store.drop_bookmark(BOOKMARK).await?;
        self.store.drop_bookmark(CATCHING_UP).await?;
        Ok(self.finished())
    }

    async fn place(&self, restart: bool) -> Result<RebuildPosition, RebuildError> {
        let now = self.service.environment.now();
        let kept = if restart { None } else { self.store.bookmark(BOOKMARK).await? };
        if let Some(kept) = kept {
            let place: RebuildPosition = serde_json::from_value(kept).map_err(StoreError::broken)?;
            return if place.began_at < now - OLDEST { Err(RebuildError::TooOld(place.began_at)) } else { Ok(place) };
        }
        self.store.drop_bookmark(CATCHING_UP).await?;
        let place = RebuildPosition { began_at: now, step: 0, slices: 0, done: 0 };
        keep(&self.store, &place).await?;
        Ok(place)
    }

    async fn catch_up(&self, site: &S, since: DateTime<Utc>, stop: &Stop) -> Result<(), RebuildError> {
        self.progress.send_modify(|rebuilt| "applying the events since the start".clone_into(&mut rebuilt.step));
        let replayed = (self.catch_up)(site.clone(), since, stop.clone()).await?;
        if replayed.finished { Ok(()) } else { Err(RebuildError::Stopped) }
    }

    fn finished(&self) -> Rebuilt {
        self.progress.send_modify(|rebuilt| rebuilt.finished = true);
        self.progress.borrow().clone()
    }
}

/// The name of the bookmark that holds the position in the history.
pub(crate) const CATCHING_UP: &str = "rebuild-history";

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
