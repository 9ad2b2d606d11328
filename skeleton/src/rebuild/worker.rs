//! The work on each slice of one source.

use std::{collections::BTreeMap, time::Duration};

use events::{Request, Snapshot};
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    Found, RebuildError, Rebuildable, Rebuilding, Rebuilt, Slice, Source, Sum,
    rebuilding::{RebuildPosition, Task, keep},
};
use crate::{
    failure::{Failure, HandlerResult, StoreErrorKind},
    messaging::requests::RequestOptions,
    stop::Stop,
    store::Transaction,
};

/// How many comparisons must fail before both sides count as different: entities may change meanwhile.
const LOOKS: u32 = 12;

/// The longest wait between two comparisons.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// How long requests to an owner that does not answer are repeated.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Processes the slices of one step.
pub(super) struct Worker<'r, S> {
    rebuilding: &'r Rebuilding<S>,
    site: S,
    place: RebuildPosition,
    stop: &'r Stop,
}

impl<'r, S: Rebuildable> Worker<'r, S> {
    pub fn new(rebuilding: &'r Rebuilding<S>, site: S, place: RebuildPosition, stop: &'r Stop) -> Self {
        Self { rebuilding, site, place, stop }
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
        for (number, slice) in slices.iter().enumerate().skip(done) {
            if self.stop.is_stopped() {
                return Err(RebuildError::Stopped);
            }
            match task {
                Task::Look => self.bring_over::<P>(slice, Writing::Nothing, true).await.map(drop)?,
                Task::Fill => self.settle::<P>(slice, Writing::Everything).await?,
                Task::Compare => self.settle::<P>(slice, Writing::Differences).await?,
                Task::Mend => self.mend::<P>(slice).await?,
            }
            self.tell(|rebuilt| rebuilt.slices = number + 1);
            if task != Task::Look {
                let place = RebuildPosition { slices: slices.len(), done: number + 1, ..self.place.clone() };
                keep(&self.rebuilding.store, &place).await?;
            }
        }
        Ok(())
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

    /// The owner's sum of a slice.
    async fn there<P: Source<S>>(&self, slice: &Slice) -> Result<Sum, RebuildError> {
        let (count, checksum) = P::Snapshot::summed(self.call(&P::Snapshot::sum(slice.digits())).await?);
        Ok(Sum { count, checksum })
    }

    /// Copies a slice until both sides agree.
    async fn settle<P: Source<S>>(&self, slice: &Slice, writing: Writing) -> Result<(), RebuildError> {
        let (mut wait, mut reason) = (Duration::from_millis(50), String::new());
        let mut look = 0;
        loop {
            let writing = if look == 0 { writing } else { Writing::Differences };
            if let Some(trouble) = self.bring_over::<P>(slice, writing, look == 0).await? {
                reason = trouble;
            }
            let here = Sum::of(P::here(&self.site, slice).await?);
            let there = self.there::<P>(slice).await?;
            if here == there {
                return Ok(());
            }
            look += 1;
            if look == LOOKS {
                let reason = if reason.is_empty() { "no write failed".to_owned() } else { reason };
                return Err(RebuildError::Differs { things: P::THINGS, slice: slice.clone(), here, there, reason });
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// Writes the owner's entities and removes the others. Returns why a write failed.
    async fn bring_over<P: Source<S>>(
        &self,
        slice: &Slice,
        writing: Writing,
        counts: bool,
    ) -> Result<Option<String>, RebuildError> {
        // Listed before the owner is asked: an entity that the owner then lacks is gone and does not come back.
        let mut rest: BTreeMap<Uuid, i64> = P::here(&self.site, slice).await?.into_iter().collect();
        let (mut after, mut trouble, mut found) = (None, None, Found::default());
        loop {
            let page = self.call(&P::Snapshot::list(slice.digits(), after, P::PAGE)).await?;
            let (snapshots, next) = P::Snapshot::listed(page);
            let mut changes = Vec::new();
            let things = snapshots.len() as u64;
            for thing in snapshots {
                let (id, sequence) = thing.state();
                let was = rest.remove(&id);
                found.missing += u64::from(was.is_none());
                found.different += u64::from(was.is_some_and(|was| was != sequence));
                if writing == Writing::Everything || was != Some(sequence) {
                    changes.push(Change { instead_of: was.filter(|was| *was > sequence), thing });
                }
            }
            if counts {
                self.tell(|rebuilt| rebuilt.things += things);
            }
            if writing != Writing::Nothing {
                trouble = self.place_all::<P>(changes).await?.or(trouble);
            }
            after = next;
            if after.is_none() {
                break;
            }
        }
        found.surplus = rest.len() as u64;
        if writing != Writing::Nothing {
            trouble = self.remove_all::<P>(rest).await?.or(trouble);
        }
        // In data rebuilt beside the old, everything is missing at first; that is no finding.
        if counts && (writing == Writing::Nothing || !S::IS_BESIDE) {
            self.tell(|rebuilt| rebuilt.found += found);
        }
        Ok(trouble)
    }

    /// Writes entities in one transaction; if one fails, one by one.
    async fn place_all<P: Source<S>>(&self, changes: Vec<Change<P::Snapshot>>) -> Result<Option<String>, RebuildError> {
        if changes.is_empty() || self.in_one::<P>(&changes).await?.is_none() {
            return Ok(None);
        }
        let mut trouble = None;
        for change in changes {
            trouble = self.in_one::<P>(&[change]).await?.or(trouble);
        }
        Ok(trouble)
    }

    async fn in_one<P: Source<S>>(&self, changes: &[Change<P::Snapshot>]) -> Result<Option<String>, RebuildError> {
        let mut tx = self.begin().await?;
        for Change { instead_of, thing } in changes {
            // The sequence is beyond those the owner has assigned: no event could ever replace this state.
            if instead_of.is_some()
                && let Err(failure) = P::remove(thing.state().0, 0, &mut tx).await
            {
                return undone(tx, failure).await;
            }
            if let Err(failure) = P::place(thing.clone(), &mut tx).await {
                return undone(tx, failure).await;
            }
        }
        committed(tx).await
    }

    async fn remove_all<P: Source<S>>(&self, surplus: BTreeMap<Uuid, i64>) -> Result<Option<String>, RebuildError> {
        let mut trouble = None;
        for (id, sequence) in surplus {
            let mut tx = self.begin().await?;
            let outcome = match P::remove(id, sequence, &mut tx).await {
                Ok(()) => committed(tx).await?,
                Err(failure) => undone(tx, failure).await?,
            };
            trouble = outcome.or(trouble);
        }
        Ok(trouble)
    }

    async fn mend<P: Source<S>>(&self, slice: &Slice) -> Result<(), RebuildError> {
        let mut looks = 0;
        loop {
            let mut tx = self.begin().await?;
            let mended: HandlerResult = match P::mend(slice, &mut tx).await {
                Ok(()) => tx.commit().await.map_err(Failure::from),
                Err(failure) => {
                    tx.rollback().await;
                    Err(failure)
                }
            };
            let Err(failure) = mended else { return Ok(()) };
            looks += 1;
            if looks == LOOKS {
                return Err(RebuildError::Mending { things: P::THINGS, failure });
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn begin(&self) -> Result<S::Tx, RebuildError> {
        Ok(self.site.begin(&self.rebuilding.service, &[]).await?)
    }

    /// Sends a request to an owner, again while it is overloaded or unavailable.
    async fn call<R: Request>(&self, request: &R) -> Result<R::Reply, RebuildError> {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            match self.rebuilding.requests.call(request, RequestOptions::default()).await {
                Ok(reply) => return Ok(reply),
                Err(problem) if !matches!(problem.status, 429 | 503 | 504) || Instant::now() > deadline => {
                    return Err(RebuildError::Unanswered(problem));
                }
                Err(problem) => {
                    tokio::select! {
                        () = tokio::time::sleep(Duration::from_secs(problem.retry_after.unwrap_or(1))) => {}
                        () = self.stop.stopped() => return Err(RebuildError::Stopped),
                    }
                }
            }
        }
    }

    fn tell(&self, change: impl FnOnce(&mut Rebuilt)) {
        self.rebuilding.progress.send_modify(change);
    }
}

/// Which entities of a slice are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Writing {
    Nothing,
    Differences,
    Everything,
}

/// An entity to write.
#[derive(Clone)]
struct Change<T> {
    /// The local sequence, if it is beyond those its owner has assigned.
    instead_of: Option<i64>,
    thing: T,
}

async fn undone<T: Transaction>(tx: T, failure: Failure) -> Result<Option<String>, RebuildError> {
    tx.rollback().await;
    reason_of(failure)
}

async fn committed<T: Transaction>(tx: T) -> Result<Option<String>, RebuildError> {
    match tx.commit().await {
        Ok(()) => Ok(None),
        Err(error) => reason_of(error.into()),
    }
}

/// Why one entity was not written; if the store does not answer, the rebuild ends.
fn reason_of(failure: Failure) -> Result<Option<String>, RebuildError> {
    match failure {
        Failure::Retry(error) if error.kind == StoreErrorKind::Unavailable => Err(RebuildError::Store(error)),
        other => Ok(Some(other.to_string())),
    }
}
