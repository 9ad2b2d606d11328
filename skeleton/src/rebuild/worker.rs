//! The work on each slice of one source.

mod calling;
mod changing;
mod copying;
mod settling;

use tracing::warn;

use self::copying::Writing;
use super::{
    RebuildError, Rebuildable, Rebuilding, Rebuilt, Slice, Source,
    rebuilding::{RebuildPosition, Task, keep},
};
use crate::stop::Stop;

/// Processes the slices of one step.
pub(super) struct Worker<'r, S> {
    rebuilding: &'r Rebuilding<S>,
    site: S,
    place: RebuildPosition,
    stop: &'r Stop,
    keeps: bool,
}

impl<'r, S: Rebuildable> Worker<'r, S> {
    pub fn new(rebuilding: &'r Rebuilding<S>, site: S, place: RebuildPosition, stop: &'r Stop) -> Self {
        Self { rebuilding, site, place, stop, keeps: true }
    }

    /// The same, but it does not keep its position.
    pub fn without_keeping(self) -> Self {
        Self { keeps: false, ..self }
    }

    /// Runs one task over all slices, from the last position on.
    pub async fn all_slices<P: Source<S>>(&self, task: Task) -> Result<(), RebuildError> {
        let (slices, done) = self.slices::<P>().await?;
        let doing = match task {
            Task::Look => "looking at",
            Task::Fill => "placing",
            Task::Compare => "comparing",
            Task::Mend => "repairing data derived from",
        };
        self.tell(|rebuilt| {
            (rebuilt.slices, rebuilt.of_slices) = (done, slices.len());
            rebuilt.step = format!("{doing} {}", P::THINGS);
        });
        let mut differs = None;
        for (number, slice) in slices.iter().enumerate().skip(done) {
            if self.stop.is_stopped() {
                return Err(RebuildError::Stopped);
            }
            let outcome = match task {
                Task::Look => self.look::<P>(slice).await,
                Task::Fill => self.settle::<P>(slice, Writing::Everything).await,
                Task::Compare => self.settle::<P>(slice, Writing::Differences).await,
                Task::Mend => self.mend::<P>(slice).await,
            };
            match outcome {
                Err(error @ RebuildError::Differs { .. }) => {
                    // The command's error names the first; each is logged.
                    warn!("{error}");
                    differs.get_or_insert(error);
                }
                outcome => outcome?,
            }
            self.tell(|rebuilt| rebuilt.slices = number + 1);
            if self.keeps && task != Task::Look && differs.is_none() {
                let place = RebuildPosition { slices: slices.len(), done: number + 1, ..self.place.clone() };
                keep(&self.rebuilding.store, &place).await?;
            }
        }
        differs.map_or(Ok(()), Err)
    }

    /// All slices, and how many are done. They are computed once, so that a continued rebuild has the same ones.
    async fn slices<P: Source<S>>(&self) -> Result<(Vec<Slice>, usize), RebuildError> {
        let RebuildPosition { slices, done, .. } = self.place;
        if done > 0 {
            return Ok((Slice::in_number(slices), done));
        }
        let all = self.there::<P>(&Slice::whole()).await?;
        Ok((Slice::all_for(all.count), 0))
    }

    async fn begin(&self) -> Result<S::Tx, RebuildError> {
        Ok(self.site.begin(&self.rebuilding.service, &[]).await?)
    }

    fn tell(&self, change: impl FnOnce(&mut Rebuilt)) {
        self.rebuilding.progress.send_modify(change);
    }
}
