//! How long Postgres may take: the server ends what takes too long, and one that does not answer is not waited for.
//!
//! A transaction has no such limit of its own here: whoever wants it to end drops it, and its connection is closed.

use std::{future::Future, time::Duration};

use tokio_postgres::Config;

use super::error::{store_error, unavailable};
use crate::failure::StoreError;

/// Over the server's own limit: what takes too long is ended by it, and only its silence by us.
const MARGIN: Duration = Duration::from_secs(1);

/// Sessions in which the server ends a statement that takes too long, and a transaction that does nothing for too long.
pub(super) fn limited(config: &Config, statement_ms: u64, idle_ms: u64) -> Config {
    let limits = format!("-c statement_timeout={statement_ms} -c idle_in_transaction_session_timeout={idle_ms}");
    let mut limited = config.clone();
    limited.options(config.get_options().map_or_else(|| limits.clone(), |given| format!("{limits} {given}")));
    limited
}

/// How long the answer to such a statement is waited for.
pub(super) fn patience(statement_ms: u64) -> Duration {
    Duration::from_millis(statement_ms) + MARGIN
}

/// Waits for an answer, but not longer than this.
pub(super) async fn within<T>(
    limit: Duration,
    asked: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, StoreError> {
    match tokio::time::timeout(limit, asked).await {
        Ok(answer) => answer.map_err(store_error),
        Err(_) => Err(unavailable(format!("no answer within {:.0} s", limit.as_secs_f64()))),
    }
}
