//! The store's side of a rebuild.

use std::future::Future;

use super::Bookmarks;
use crate::failure::StoreError;

/// A store whose read model can be rebuilt.
pub trait Rebuildable: Bookmarks {
    /// Whether the new read model is built beside the old one, which stays in use until the swap.
    const IS_BESIDE: bool = false;

    /// The store to build the new read model in: from scratch, or with the progress so far.
    fn lay_out(&self, _afresh: bool) -> impl Future<Output = Result<Self, StoreError>> + Send {
        async { Ok(self.clone()) }
    }

    /// Replaces the old read model with the new one atomically.
    fn swap(&self) -> impl Future<Output = Result<(), StoreError>> + Send {
        async { Ok(()) }
    }

    /// Removes the replaced read model.
    fn clear_away(&self) -> impl Future<Output = Result<(), StoreError>> + Send {
        async { Ok(()) }
    }
}

#[cfg(feature = "postgres")]
impl Rebuildable for super::postgres::Postgres {}

#[cfg(feature = "neo4j")]
impl Rebuildable for super::neo4j::Neo4j {}
