//! Making a service's picture of others' things again, from its owners' snapshots.
//!
//! A [`Source`] says what its things are, and how one thing is written. All else is the same for every service:
//! slice by slice of all ids, what is there is listed first and what the owner has after that. So what the owner does
//! not have any more is gone there, and may be taken away; what it has is written, as new or over what is there, but
//! never over something newer. Then both sides' counts and checksums must be the same; while things change, that may
//! take a few looks. Every step may be done twice, so a rebuild that was killed goes on with the slice it was at.
//!
//! A store that cannot change safely in place ([`Rebuildable::IS_BESIDE`]) is made anew beside what is there: filled,
//! fed with what came meanwhile from the history, compared again, and put in the place of the old one.

mod progress;
mod projections;
mod rebuilding;
mod snapshots;
mod source;
mod work;
mod worker;

pub use progress::{Found, Rebuilt};
pub use projections::Projections;
pub use rebuilding::{CatchingUp, RebuildError, Rebuilding};
pub use snapshots::SnapshotPage;
pub use source::Source;
pub(crate) use work::CATCHING_UP;

pub use crate::store::{Rebuildable, Slice, Sum};
