//! Leases in a store: rights that one holder has at a time, for a limited time.
//!
//! Times are those of the store's clock. The fencing number grows each time the holder changes. A holder that resumes
//! after a pause has an old number, and [`Fenced::fence`] fails its transaction.

use std::{future::Future, time::Duration};

use super::{Store, Transaction};
use crate::failure::StoreError;

/// A lease as its holder has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The lease's name.
    pub name: String,
    /// The replica that holds it.
    pub holder: String,
    /// The fencing number: how often the lease had changed hands when this holder got it.
    pub fence: i64,
}

/// A store that keeps leases.
pub trait Leases: Store {
    /// Acquires a free lease, or renews one that this holder has, for this long from now. Returns `None` while another
    /// holder has it.
    fn claim(
        &self,
        name: &str,
        holder: &str,
        lasts: Duration,
    ) -> impl Future<Output = Result<Option<Lease>, StoreError>> + Send;

    /// Releases a lease before it expires. Changes nothing if another holder has it by now.
    fn release(&self, lease: &Lease) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// A transaction that can be made to depend on a lease.
pub trait Fenced: Transaction {
    /// Fails the transaction if the lease has changed hands; otherwise the lease cannot change hands before the
    /// transaction ends. A holder that pauses in an open transaction blocks the others until the server ends it.
    ///
    /// # Errors
    /// Fails if the lease has changed hands, or the store does not respond.
    fn fence(&mut self, lease: &Lease) -> impl Future<Output = Result<(), StoreError>> + Send;
}

impl Lease {
    /// The error of a transaction whose lease has changed hands. A retry may succeed: for the new holder.
    pub(super) fn lost(&self) -> StoreError {
        let text = format!("the lease {} has a new holder: fencing number {} is outdated", self.name, self.fence);
        StoreError::new(crate::failure::StoreErrorKind::Conflict, text)
    }
}
