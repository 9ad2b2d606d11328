//! Copies a slice from its owner.

use std::collections::BTreeMap;

use events::Snapshot;
use uuid::Uuid;

use super::{Worker, changing::Change};
use crate::rebuild::{Difference, Found, RebuildError, Rebuildable, Slice, Source};

/// Which entities of a slice are written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Writing {
    Nothing,
    Differences,
    Everything,
}

/// The number of differences that are reported of a kind of entity.
pub(super) const REPORTED: usize = 5;

/// The result of copying a slice.
#[derive(Default)]
pub(super) struct Copied {
    /// Why a write failed.
    pub trouble: Option<String>,
    /// The first differences.
    pub differences: Vec<Difference>,
}

impl Copied {
    fn note(&mut self, things: &'static str, id: Uuid, here: Option<i64>, there: Option<i64>) {
        if self.differences.len() < REPORTED && here != there {
            self.differences.push(Difference { things, id, here, there });
        }
    }
}

impl<S: Rebuildable> Worker<'_, S> {
    /// Writes the owner's entities and removes the others.
    pub(super) async fn bring_over<P: Source<S>>(
        &self,
        slice: &Slice,
        writing: Writing,
        counts: bool,
    ) -> Result<Copied, RebuildError> {
        // Listed before the owner is asked: an entity that the owner then lacks is gone and does not come back.
        let mut rest: BTreeMap<Uuid, i64> = P::here(&self.site, slice).await?.into_iter().collect();
        let (mut after, mut copied, mut found) = (None, Copied::default(), Found::default());
        loop {
            let page = self.call(&P::Snapshot::list(slice.digits(), after, P::PAGE)).await?;
            let (snapshots, next) = P::Snapshot::listed(page);
            let mut changes = Vec::new();
            let things = snapshots.len() as u64;
            for thing in snapshots {
                let (id, sequence) = thing.state();
                let was = rest.remove(&id);
                copied.note(P::THINGS, id, was, Some(sequence));
                found.missing += u64::from(was.is_none());
                found.different += u64::from(was.is_some_and(|was| was != sequence));
                if writing == Writing::Everything || was != Some(sequence) {
                    changes.push(Change { is_ahead: was.is_some_and(|was| was > sequence), thing });
                }
            }
            if counts {
                self.tell(|rebuilt| rebuilt.things += things);
            }
            if writing != Writing::Nothing {
                copied.trouble = self.place_all::<P>(changes).await?.or(copied.trouble);
            }
            after = next;
            if after.is_none() {
                break;
            }
        }
        found.surplus = rest.len() as u64;
        rest.iter().for_each(|(id, sequence)| copied.note(P::THINGS, *id, Some(*sequence), None));
        if writing != Writing::Nothing {
            let removing = self.remove_all::<P>(rest).await?;
            copied.trouble = copied.trouble.or(removing);
        }
        // In data rebuilt beside the old, everything is missing at first; that is no finding.
        if counts && (writing == Writing::Nothing || !S::IS_BESIDE) {
            self.tell(|rebuilt| rebuilt.found += found);
        }
        Ok(copied)
    }
}
