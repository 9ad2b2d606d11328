//! Everything that a service can make again.

use futures::future::BoxFuture;

use super::{
    Rebuildable, Source,
    rebuilding::{RebuildError, Task},
    worker::Worker,
};

/// One thing done with all slices of one source.
pub(super) type Doing<S> = for<'a> fn(&'a Worker<'a, S>, Task) -> BoxFuture<'a, Result<(), RebuildError>>;

/// Everything that a service can make again, in the order in which it has to be made.
pub struct Projections<S> {
    pub(super) all: Vec<Doing<S>>,
}

impl<S: Rebuildable> Projections<S> {
    /// None yet.
    pub fn new() -> Self {
        Self { all: Vec::new() }
    }

    /// Makes these things again, after those before them.
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
