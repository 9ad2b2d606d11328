//! Limits that all replicas of a service keep together, because they are kept in its store.
//!
//! A limit is a number of places: some for calls at the same time, some for calls in a period. A call takes one of
//! each. It leaves the first when it ends, the second one period *after* it ends: however long a call is on its way,
//! the partner cannot see more calls in any period than there are places. Who is killed leaves its places when its
//! call could have lasted no longer. All times are the store's.

use std::time::Duration;

use futures::future::BoxFuture;
use uuid::Uuid;

use crate::failure::StoreError;

/// How much a partner may be called, by all replicas together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The partner.
    pub partner: String,
    /// How many calls in any period.
    pub calls: u32,
    /// The period.
    pub period: Duration,
    /// How many calls at the same time.
    pub at_once: u32,
    /// How long a call may take; whoever holds a place for longer has lost it.
    pub longest_call: Duration,
}

/// Whether it is a call's turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallAdmission {
    /// It is: it has its places.
    Now,
    /// Not before this long from now, unless a call ends earlier than it may.
    After(Duration),
}

/// A store in which replicas share limits.
pub trait SharedLimits: Send + Sync + 'static {
    /// Takes places for a call, if there are any.
    fn take_turn<'a>(&'a self, limit: &'a Limit, call: Uuid) -> BoxFuture<'a, Result<CallAdmission, StoreError>>;

    /// Leaves a call's places. Does nothing where they were lost.
    fn end_turn<'a>(&'a self, limit: &'a Limit, call: Uuid) -> BoxFuture<'a, Result<(), StoreError>>;
}
