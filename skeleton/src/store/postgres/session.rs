//! The connection of a transaction: back to the pool when the transaction has ended, closed when it was left open.

use std::{
    future::Future,
    ops::Deref,
    pin::pin,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use deadpool_postgres::Object;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::error::store_error;
use crate::failure::StoreError;

/// How long an undoing may take before what it waits for is broken off once more, and how often that is tried.
const PATIENCE: Duration = Duration::from_millis(250);
const TRIES: usize = 20;

/// A connection with a transaction, which begins with its first statement.
pub(super) struct Session {
    client: Option<Object>,
    tls: MakeRustlsConnect,
    has_begun: AtomicBool,
    unanswered: AtomicUsize,
    has_failed: AtomicBool,
    has_ended: AtomicBool,
}

impl Session {
    pub(super) fn new(client: Object, tls: MakeRustlsConnect) -> Self {
        Self {
            client: Some(client),
            tls,
            has_begun: AtomicBool::new(false),
            unanswered: AtomicUsize::new(0),
            has_failed: AtomicBool::new(false),
            has_ended: AtomicBool::new(false),
        }
    }

    /// Begins the transaction, unless that was done before. Sent before the first statement and answered with it, it
    /// costs no round trip.
    pub(super) async fn begun(&self) -> Result<(), tokio_postgres::Error> {
        if self.has_begun.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        self.batch_execute("begin").await
    }

    /// Waits for an answer. Who gives up waiting leaves it unanswered.
    pub(super) async fn answered<T>(
        &self,
        asked: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, StoreError> {
        self.unanswered.fetch_add(1, Ordering::Relaxed);
        let answer = asked.await;
        self.unanswered.fetch_sub(1, Ordering::Relaxed);
        if answer.is_err() {
            self.has_failed.store(true, Ordering::Relaxed);
        }
        answer.map_err(store_error)
    }

    /// Whether everything that was asked has worked. Postgres takes a commit after a failure, undoes all, and does not
    /// call that an error.
    pub(super) fn is_whole(&self) -> Result<(), StoreError> {
        match self.has_failed.load(Ordering::Relaxed) {
            false => Ok(()),
            true => Err(StoreError::broken("a statement of this transaction has failed: nothing of it can be kept")),
        }
    }

    /// The transaction has ended: the connection is as good as new.
    pub(super) fn has_ended(&self) {
        self.has_ended.store(true, Ordering::Relaxed);
    }

    /// Undoes the transaction. What nobody waits for any more is broken off: it may wait for a lock for long, and the
    /// undoing behind it.
    pub(super) async fn undo(&self) {
        if !self.has_begun.load(Ordering::Relaxed) {
            self.has_ended();
            return;
        }
        let mut undoing = pin!(self.batch_execute("rollback"));
        if self.unanswered.load(Ordering::Relaxed) == 0 {
            if undoing.await.is_ok() {
                self.has_ended();
            }
            return;
        }
        // The connection is not used again: what breaks off may come late, and would hit the next transaction.
        for _ in 0..TRIES {
            let _ = self.cancel_token().cancel_query(self.tls.clone()).await;
            if tokio::time::timeout(PATIENCE, &mut undoing).await.is_ok() {
                return;
            }
        }
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
