//! A pooled connection while a statement runs on it.
//!
//! The client library does not cancel a statement whose future is dropped: the server continues, and the next statement
//! on that connection waits for it. So a connection returns to the pool only after its statement was answered.
//! Otherwise, the connection is closed and the statement is cancelled.

use std::{ops::Deref, time::Duration};

use deadpool_postgres::Object;
use tokio::runtime::Handle;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::failure::{StoreError, StoreErrorKind};

/// The time limit of a cancellation. After that, the server's own limits end the statement.
const CANCEL_LIMIT: Duration = Duration::from_secs(5);

/// A pooled connection. If it is dropped before [`InFlight::answered`], it is closed and its statement is cancelled.
pub(super) struct InFlight {
    client: Option<Object>,
    tls: MakeRustlsConnect,
}

impl InFlight {
    pub(super) fn new(client: Object, tls: MakeRustlsConnect) -> Self {
        Self { client: Some(client), tls }
    }

    /// Returns the connection to the pool. If the server did not respond on it or can no longer work, closes it
    /// instead, so that the next connection may reach another server.
    pub(super) fn answered<T>(mut self, answer: &Result<T, StoreError>) {
        if !answer.as_ref().is_err_and(|error| error.kind == StoreErrorKind::Unavailable) {
            drop(self.client.take());
        }
    }
}

impl Deref for InFlight {
    type Target = Object;

    fn deref(&self) -> &Object {
        self.client.as_ref().expect("the connection is taken only by answered and drop")
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            abandon(client, self.tls.clone());
        }
    }
}

/// Closes a connection, and cancels the statement that runs on it. Otherwise, the server would notice only after the
/// statement that its client is gone. The cancellation cannot hit another statement: the connection accepts none.
pub(super) fn abandon(client: Object, tls: MakeRustlsConnect) {
    let cancel = client.cancel_token();
    let is_closed = client.is_closed();
    drop(Object::take(client));
    if let (false, Ok(runtime)) = (is_closed, Handle::try_current()) {
        // If the cancellation fails or is late, the server's statement_timeout remains.
        runtime.spawn(async move { tokio::time::timeout(CANCEL_LIMIT, cancel.cancel_query(tls)).await });
    }
}
