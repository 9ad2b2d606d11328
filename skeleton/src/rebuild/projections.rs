//! The read models that a service can rebuild.

use futures::future::BoxFuture;

use super::{
    Rebuildable, Source,
    rebuilding::{RebuildError, Task},
    worker::Worker,
};

/// A task for all slices of one source.
pub(super) type Doing<S> = for<'a> fn(&'a Worker<'a, S>, Task) -> BoxFuture<'a, Result<(), RebuildError>>;

/// The read models that a service can rebuild, in the order in which they must be rebuilt.
pub struct Projections<S> {
    pub(super) all: Vec<Doing<S>>,
}

impl<S: Rebuildable> Projections<S> {
    /// No read models.
    pub fn new() -> Self {
        Self { all: Vec::new() }
    }

    /// Adds a read model, to be rebuilt after those before it.
    pub fn of<P: Source<S>>(mut self) -> Self {
        self.all.push(|worker, task| Box::pin(worker.all_slices::<P>(task)));
        self
    }
}

impl<S: Rebuildable> Default for Projections<S> {
    fn default() -> Self {
        Self::new()
    }
}
