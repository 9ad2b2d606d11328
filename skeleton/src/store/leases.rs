//! What the skeleton asks of a store for leases: rights that one holder has at a time, for a while.
//!
//! Time is the server's. The fence is a number that goes up each time the holder changes: a holder that was paused and
//! goes on as if nothing had happened has an old number, and [`Fenced::fence`] fails its transaction.

use std::{future::Future, time::Duration};

use super::{Store, Transaction};
use crate::failure::StoreError;

/// A right as its holder knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// What it is a right to.
    pub name: String,
    /// Who has it.
    pub holder: String,
    /// How often it had changed hands when this holder got it.
    pub fence: i64,
}

/// A store that keeps leases.
pub trait Leases: Store {
    /// Gets a lease that nobody has, or keeps one that this holder has, for so long from now. `None` while another has
    /// it.
    fn claim(
        &self,
        name: &str,
        holder: &str,
        lasts: Duration,
    ) -> impl Future<Output = Result<Option<Lease>, StoreError>> + Send;

    /// Gives a lease back before its time. Changes nothing where another has it by now.
    fn release(&self, lease: &Lease) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// A transaction that can be made to depend on a lease.
pub trait Fenced: Transaction {
    /// Fails the transaction where the lease has changed hands; otherwise it cannot change hands before the
    /// transaction ends. A holder that sleeps in an open transaction holds the others up until the server ends it.
    ///
    /// # Errors
    /// Where the lease has changed hands, and where the store does not answer.
    fn fence(&mut self, lease: &Lease) -> impl Future<Output = Result<(), StoreError>> + Send;
}

impl Lease {
    /// What a transaction fails with whose lease has changed hands. The same again may work: for the new holder.
    pub(super) fn lost(&self) -> StoreError {
        let text = format!("the lease {} has gone to another: fence {} is old", self.name, self.fence);
        StoreError::new(crate::failure::StoreErrorKind::Conflict, text)
    }
}
