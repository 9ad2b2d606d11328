//! Writes and removes entities.

use std::collections::BTreeMap;

use events::Snapshot;
use uuid::Uuid;

use super::Worker;
use crate::{
    failure::{Failure, StoreErrorKind},
    rebuild::{RebuildError, Rebuildable, Source},
    store::Transaction,
};

/// An entity to write.
#[derive(Clone)]
pub(super) struct Change<T> {
    /// Whether the local sequence is beyond the owner's: the owner decides all the same.
    pub(super) is_ahead: bool,
    pub(super) thing: T,
}

impl<S: Rebuildable> Worker<'_, S> {
    /// Writes entities in one transaction; if one fails, one by one.
    pub(super) async fn place_all<P: Source<S>>(
        &self,
        changes: Vec<Change<P::Snapshot>>,
    ) -> Result<Option<String>, RebuildError> {
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
        for Change { is_ahead, thing } in changes {
            if *is_ahead && let Err(failure) = P::reset(thing.state().0, &mut tx).await {
                return undone(tx, failure).await;
            }
            if let Err(failure) = P::place(thing.clone(), &mut tx).await {
                return undone(tx, failure).await;
            }
        }
        committed(tx).await
    }

    pub(super) async fn remove_all<P: Source<S>>(
        &self,
        surplus: BTreeMap<Uuid, i64>,
    ) -> Result<Option<String>, RebuildError> {
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
