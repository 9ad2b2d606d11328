//! Where a picture comes from, and how one thing of it is written.

use std::future::{Future, ready};

use events::Snapshot;
use uuid::Uuid;

use super::{Rebuildable, Slice};
use crate::failure::{HandlerResult, StoreError};

/// Things of another service that a service keeps a picture of.
///
/// What is written stays as it is when it is written again, and never goes over something newer.
pub trait Source<S: Rebuildable>: Send + Sync + 'static {
    /// What they are called: `contacts`.
    const THINGS: &'static str;

    /// How many are asked for and written at once; as many as the owner gives where it is not said.
    const PAGE: Option<u32> = None;

    /// One of them as its owner has it now.
    type Snapshot: Snapshot;

    /// What is here of a slice: the id of each thing and the number of the newest event it was made from.
    fn here(store: &S, slice: &Slice) -> impl Future<Output = Result<Vec<(Uuid, i64)>, StoreError>> + Send;

    /// Writes a thing, unless there is something newer.
    fn place(snapshot: Self::Snapshot, tx: &mut S::Tx) -> impl Future<Output = HandlerResult> + Send;

    /// Takes a thing away that its owner does not have. What is older than this number must not bring it back.
    fn remove(id: Uuid, sequence: i64, tx: &mut S::Tx) -> impl Future<Output = HandlerResult> + Send;

    /// Mends what follows from these things and from others, once all of them are there.
    fn mend(_slice: &Slice, _tx: &mut S::Tx) -> impl Future<Output = HandlerResult> + Send {
        ready(Ok(()))
    }
}
