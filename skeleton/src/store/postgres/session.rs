//! The connection of a transaction: returned to the pool after the transaction has ended, closed if it was left open.

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

/// The time that a rollback may take before the statement it waits for is cancelled again, and the number of
/// cancellations.
const TIMEOUT: Duration = Duration::from_millis(250);
const TRIES: usize = 20;

/// A connection with a transaction, which begins with the first statement.
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

    /// Begins the transaction, unless it has begun. `begin` is pipelined with the first statement, so that it costs no
    /// round trip.
    pub(super) async fn begun(&self) -> Result<(), tokio_postgres::Error> {
        if self.has_begun.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        self.batch_execute("begin").await
    }

    /// Waits for the answer to a statement. If this future is dropped, the statement remains unanswered.
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

    /// Prepares a statement, or finds it prepared. In a transaction, a statement that cannot be prepared aborts it.
    pub(super) async fn prepared(&self, sql: &str) -> Result<Statement, StoreError> {
        self.answered(self.prepare_cached(sql)).await
    }

    /// Checks that every statement was answered and none has failed. Postgres turns the commit of a failed transaction
    /// into a rollback without reporting an error. An abandoned statement may have failed, or may still fail.
    pub(super) fn is_whole(&self) -> Result<(), StoreError> {
        if self.has_failed.load(Ordering::Relaxed) {
            return Err(StoreError::broken("a statement of this transaction has failed: it cannot be committed"));
        }
        if self.unanswered.load(Ordering::Relaxed) > 0 {
            let text = "a statement of this transaction was abandoned before its answer: it cannot be committed";
            return Err(StoreError::new(StoreErrorKind::Conflict, text));
        }
        Ok(())
    }

    /// Records that the transaction has ended: the connection can be reused.
    pub(super) fn has_ended(&self) {
        self.has_ended.store(true, Ordering::Relaxed);
    }

    /// Rolls the transaction back. Statements that are no longer awaited are cancelled: they may wait for a lock for a
    /// long time, and the rollback would wait for them.
    pub(super) async fn undo(&self) {
        if !self.has_begun.load(Ordering::Relaxed) {
            self.has_ended();
            return;
        }
        let mut undoing = pin!(self.batch_execute("rollback"));
        if self.unanswered.load(Ordering::Relaxed) == 0 {
            // If the server can no longer work, the connection is not reused.
            if undoing.await.is_ok() && !self.is_useless.load(Ordering::Relaxed) {
                self.has_ended();
            }
            return;
        }
        // The connection is not reused: a late cancellation would hit the next transaction.
        for _ in 0..TRIES {
            let _ = self.cancel_token().cancel_query(self.tls.clone()).await;
            if tokio::time::timeout(TIMEOUT, &mut undoing).await.is_ok() {
                return;
            }
        }
    }
}

impl Deref for Session {
    type Target = Object;

    fn deref(&self) -> &Object {
        self.client.as_ref().expect("the connection is taken only by drop")
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(client) = self.client.take()
            && !*self.has_ended.get_mut()
        {
            // Close the connection instead of returning it: that ends the transaction in any state.
            match *self.unanswered.get_mut() {
                0 => drop(Object::take(client)),
                _ => abandon(client, self.tls.clone()),
            }
        }
    }
}
