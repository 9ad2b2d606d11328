//! A separate store for each test.

use std::future::Future;

use chrono::TimeDelta;

use crate::store::Store;

/// A store that was created for one test.
pub struct Provisioned {
    /// Settings of the section `store`.
    pub settings: Vec<(&'static str, String)>,
    /// A value that must live as long as the test, such as a lock.
    pub guard: Option<Box<dyn std::any::Any + Send>>,
    /// The name of what to remove at the end.
    pub name: String,
}

/// A kind of store that tests can create.
pub trait TestStore: Store {
    /// Creates a store.
    fn provision(name: &str) -> impl Future<Output = Provisioned> + Send;

    /// Shortens the waits in the store by this much: delayed jobs, and messages to retry. A store without delays does
    /// nothing.
    fn let_pass(&self, _by: TimeDelta) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// Removes the store.
    fn remove(provisioned: Provisioned) -> impl Future<Output = ()> + Send;
}
