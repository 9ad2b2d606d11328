//! The connection of a transaction: back to the pool when the transaction has ended, closed when it was left open.

use std::{
    future::Future,
    ops::Deref,
    pin::pin,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use deadpool_postgres::Object;
use tokio_postgres::Statement;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{error::store_error, in_flight::abandon};
use crate::failure::{StoreError, StoreErrorKind};

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
    is_useless: AtomicBool,
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
            is_useless: AtomicBool::new(false),
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
        let answer = asked.await.map_err(store_error);
        self.unanswered.fetch_sub(1, Ordering::Relaxed);
        if let Err(error) = &answer {
            self.has_failed.store(true, Ordering::Relaxed);
            self.is_useless.fetch_or(error.kind == StoreErrorKind::Unavailable, Ordering::Relaxed);
        }
        answer
    }

    /// Prepares a statement, or finds it prepared. Within a transaction, a statement that cannot be prepared fails it.
    pub(super) async fn prepared(&self, sql: &str) -> Result<Statement, StoreError> {
        self.answered(self.prepare_cached(sql)).await
    }

    /// Checks that every statement was answered, and none has failed. Postgres turns the commit of a failed transaction
    /// into a rollback and does not call that an error. An abandoned statement may still fail, or may have failed.
    pub(super) fn is_whole(&self) -> Result<(), StoreError> {
        if self.has_failed.load(Ordering::Relaxed) {
            return Err(StoreError::broken("a statement of this transaction has failed: nothing of it can be kept"));
        }
        if self.unanswered.load(Ordering::Relaxed) > 0 {
            let text = "a statement of this transaction was abandoned before its answer: nothing of it can be kept";
            return Err(StoreError::new(StoreErrorKind::Conflict, text));
        }
        Ok(())
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
            // A server that cannot work any more is not asked again over this connection.
            if undoing.await.is_ok() && !self.is_useless.load(Ordering::Relaxed) {
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
            match *self.unanswered.get_mut() {
                0 => drop(Object::take(client)),
                _ => abandon(client, self.tls.clone()),
            }
        }
    }
}
