//! Rate limits that all replicas of a service share, because they are kept in its store.
//!
//! A limit has two kinds of slots: for concurrent calls, and for calls in a period. A call takes one of each. It
//! releases the first when it ends, and the second one period *after* it ends. So the partner never sees more calls in
//! any period than there are slots, however long a call takes to reach it. If a process is killed, its slots are
//! released when its call would have timed out. All times are those of the store's clock.

use std::time::Duration;

use futures::future::BoxFuture;
use uuid::Uuid;

use crate::failure::StoreError;

/// The limit of calls to a partner, for all replicas together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The partner.
    pub partner: String,
    /// The maximum number of calls in any period.
    pub calls: u32,
    /// The period.
    pub period: Duration,
    /// The maximum number of concurrent calls.
    pub at_once: u32,
    /// The longest time a call may take; a slot held for longer is lost.
    pub longest_call: Duration,
}

/// Whether a call may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallAdmission {
    /// It may start: it has its slots.
    Now,
    /// It may not start before this time has passed, unless another call ends earlier than its limit.
    After(Duration),
}

/// A store in which replicas share limits.
pub trait SharedLimits: Send + Sync + 'static {
    /// Takes slots for a call, if there are any.
    fn take_turn<'a>(&'a self, limit: &'a Limit, call: Uuid) -> BoxFuture<'a, Result<CallAdmission, StoreError>>;

    /// Releases a call's slots. Does nothing if they were lost.
    fn end_turn<'a>(&'a self, limit: &'a Limit, call: Uuid) -> BoxFuture<'a, Result<(), StoreError>>;
}
