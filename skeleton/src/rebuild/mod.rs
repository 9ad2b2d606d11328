//! Rebuilds a service's read models from their owners' snapshots.
//!
//! A [`Source`] names the entities of a read model and writes one entity. The rest is the same for every service. The
//! ids are divided into slices. For each slice, the local entities are listed first and the owner's snapshots are read
//! after that. So an entity that the owner lacks is gone there and may be removed. The owner's entities are written,
//! but never over something newer. Then counts and checksums of both sides must agree; while entities change, that may
//! take several attempts. Every step may be repeated, so a rebuild that was killed continues with its current slice.
//!
//! A store that cannot change safely in place ([`Rebuildable::IS_BESIDE`]) is rebuilt beside the old data: filled,
//! updated from the history, compared again, and swapped in.

mod progress;
mod projections;
mod rebuilding;
mod snapshots;
mod source;
mod work;
mod worker;

pub use progress::{Difference, Found, Rebuilt};
pub use projections::Projections;
pub use rebuilding::{CatchingUp, RebuildError, Rebuilding};
pub use snapshots::SnapshotPage;
pub use source::Source;
pub(crate) use work::CATCHING_UP;

pub use crate::store::{Rebuildable, Slice, Sum};
