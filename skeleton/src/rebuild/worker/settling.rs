//! Work on a slice, repeated until it has succeeded.

use std::time::Duration;

use super::{
    Worker,
    copying::{REPORTED, Writing},
};
use crate::{
    failure::{Failure, HandlerResult},
    rebuild::{RebuildError, Rebuildable, Slice, Source, Sum, rebuilding::BOOKMARK},
    store::Transaction,
};

/// How many comparisons must fail before both sides count as different: entities may change meanwhile.
const LOOKS: u32 = 12;

/// The longest wait between two comparisons.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// What may be the reason if no write fails.
const NOT_TAKEN: &str = "the service knows a later state of the items, their removal, or the erasure of their account. If an \
                         owner was restored from a backup, repeat the erasures first (docs/backups.md)";

impl<S: Rebuildable> Worker<'_, S> {
    /// Reports the differences of a slice.
    pub(super) async fn look<P: Source<S>>(&self, slice: &Slice) -> Result<(), RebuildError> {
        let seen = self.bring_over::<P>(slice, Writing::Nothing, true).await?;
        self.tell(|rebuilt| {
            let reported = rebuilt.differences.iter().filter(|one| one.things == P::THINGS).count();
            rebuilt.differences.extend(seen.differences.into_iter().take(REPORTED.saturating_sub(reported)));
        });
        Ok(())
    }

    /// Copies a slice until both sides agree.
    pub(super) async fn settle<P: Source<S>>(&self, slice: &Slice, writing: Writing) -> Result<(), RebuildError> {
        let mut wait = Duration::from_millis(50);
        let mut look = 0;
        loop {
            self.tell(|rebuilt| rebuilt.attempts = look);
            let writing = if look == 0 { writing } else { Writing::Differences };
            let copied = self.bring_over::<P>(slice, writing, look == 0).await?;
            let here = Sum::of(P::here(&self.site, slice).await?);
            let there = self.there::<P>(slice).await?;
            if here == there {
                self.tell(|rebuilt| rebuilt.attempts = 0);
                return Ok(());
            }
            look += 1;
            // What keeps differing may be repaired in an earlier step: the next run begins with the first, also if this one
            // is interrupted here. The next slice that agrees keeps the position again. Beside, this step repairs it.
            if look == 1 && !S::IS_BESIDE {
                self.rebuilding.store.drop_bookmark(BOOKMARK).await?;
            }
            if look == LOOKS {
                let reason = copied.trouble.as_deref().unwrap_or(NOT_TAKEN);
                let differences: String = copied.differences.iter().map(|one| format!("{one}; ")).collect();
                let reason = format!("{differences}{reason}");
                return Err(RebuildError::Differs { things: P::THINGS, slice: slice.clone(), here, there, reason });
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    pub(super) async fn mend<P: Source<S>>(&self, slice: &Slice) -> Result<(), RebuildError> {
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
}
