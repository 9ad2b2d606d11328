//! The connection of a transaction: back to the pool when the transaction has ended, closed when it was left open.

use std::{
    ops::Deref,
    sync::atomic::{AtomicBool, Ordering},
};

use deadpool_postgres::Object;

/// A connection with an open transaction.
pub(super) struct Session {
    client: Option<Object>,
    has_ended: AtomicBool,
}

impl Session {
    pub(super) fn new(client: Object) -> Self {
        Self { client: Some(client), has_ended: AtomicBool::new(false) }
    }

    /// The transaction has ended: the connection is as good as new.
    pub(super) fn has_ended(&self) {
        self.has_ended.store(true, Ordering::Relaxed);
    }
}

impl Deref for Session {
    type Target = Object;

    fn deref(&self) -> &Object {
        self.client.as_ref().expect("it is taken out by the drop alone")
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(client) = self.client.take()
            && !*self.has_ended.get_mut()
        {
            // Closed, not returned: whatever state it is in ends with it.
            drop(Object::take(client));
        }
    }
}
