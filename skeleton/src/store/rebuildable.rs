//! What a rebuild asks of a store.

use std::future::Future;

use super::Bookmarks;
use crate::failure::StoreError;

/// A store in which a picture can be made again.
pub trait Rebuildable: Bookmarks {
    /// Whether it is made anew beside what is there, which goes on alone meanwhile.
    const IS_BESIDE: bool = false;

    /// Where the new one is made: begun afresh, or as far as it was.
    fn lay_out(&self, _afresh: bool) -> impl Future<Output = Result<Self, StoreError>> + Send {
        async { Ok(self.clone()) }
    }

    /// Puts the new one in the place of the old one, in one step.
    fn swap(&self) -> impl Future<Output = Result<(), StoreError>> + Send {
        async { Ok(()) }
    }

    /// Removes what was replaced.
    fn clear_away(&self) -> impl Future<Output = Result<(), StoreError>> + Send {
        async { Ok(()) }
    }
}

#[cfg(feature = "postgres")]
impl Rebuildable for super::postgres::Postgres {}

#[cfg(feature = "neo4j")]
impl Rebuildable for super::neo4j::Neo4j {}
