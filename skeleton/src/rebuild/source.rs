//! The source of a read model, and how one entity of it is written.

use std::future::{Future, ready};

use events::Snapshot;
use uuid::Uuid;

use super::{Rebuildable, Slice};
use crate::failure::{HandlerResult, StoreError};

/// Entities of another service that a service keeps a read model of.
///
/// Writes must be idempotent and must never replace something newer.
pub trait Source<S: Rebuildable>: Send + Sync + 'static {
    /// The name of the entities: `contacts`.
    const THINGS: &'static str;

    /// How many are requested and written at once; by default, as many as the owner returns.
    const PAGE: Option<u32> = None;

    /// An entity in the owner's present state.
    type Snapshot: Snapshot;

    /// The local entities of a slice: the id of each and the sequence of the newest event it was made from.
    fn here(store: &S, slice: &Slice) -> impl Future<Output = Result<Vec<(Uuid, i64)>, StoreError>> + Send;

    /// Writes an entity, unless a newer state is present.
    fn place(snapshot: Self::Snapshot, tx: &mut S::Tx) -> impl Future<Output = HandlerResult> + Send;

    /// Removes an entity that the owner does not have. Nothing older than this sequence may bring it back.
    fn remove(id: Uuid, sequence: i64, tx: &mut S::Tx) -> impl Future<Output = HandlerResult> + Send;

    /// Makes [`Source::place`] write an entity whose state here is from a later event than the owner's: the owner was
    /// restored from a backup, or has changed the entity in a build that does not keep its sequence. By default, the
    /// entity is removed; override this where a removal is final.
    fn reset(id: Uuid, tx: &mut S::Tx) -> impl Future<Output = HandlerResult> + Send {
        Self::remove(id, 0, tx)
    }

    /// Repairs the data derived from these entities and others, once all of them are present.
    fn mend(_slice: &Slice, _tx: &mut S::Tx) -> impl Future<Output = HandlerResult> + Send {
        ready(Ok(()))
    }
}
