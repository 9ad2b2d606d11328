//! Time limits for Postgres: the server ends what takes too long, and the client stops waiting if the server does not
//! respond.
//!
//! There is no time limit for a whole transaction here: to end one, its owner drops it, and its connection is closed.

use std::{future::Future, time::Duration};

use tokio_postgres::Config;

use super::error::{store_error, unavailable};
use crate::failure::StoreError;

/// Added to the server's own limit: the server ends slow statements, and the client's limit applies only if the server
/// does not respond.
const MARGIN: Duration = Duration::from_secs(1);

/// Sessions in which the server ends slow statements and idle transactions.
pub(super) fn limited(config: &Config, statement_ms: u64, idle_ms: u64) -> Config {
    let limits = format!("-c statement_timeout={statement_ms} -c idle_in_transaction_session_timeout={idle_ms}");
    with_options(config, &limits)
}

/// Sessions that hold a lock for their process, such as the relay's. If such a session is idle for 15 seconds, its
/// process is frozen or lost: the server ends it and releases the lock. The other limits are for a process that freezes
/// while it receives an answer or has a transaction open.
pub(super) fn fenced(config: &Config) -> Config {
    let limits = ["idle_session_timeout", "idle_in_transaction_session_timeout", "tcp_user_timeout"];
    with_options(config, &limits.map(|limit| format!("-c {limit}=15000")).join(" "))
}

fn with_options(config: &Config, limits: &str) -> Config {
    let mut limited = config.clone();
    limited.options(config.get_options().map_or_else(|| limits.to_owned(), |given| format!("{limits} {given}")));
    limited
}

/// How long the client waits for the answer to such a statement.
pub(super) fn patience(statement_ms: u64) -> Duration {
    Duration::from_millis(statement_ms) + MARGIN
}

/// Waits for an answer up to a time limit.
pub(super) async fn within<T>(
    limit: Duration,
    asked: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, StoreError> {
    match tokio::time::timeout(limit, asked).await {
        Ok(answer) => answer.map_err(store_error),
        Err(_) => Err(unavailable(format!("no answer within {:.0} s", limit.as_secs_f64()))),
    }
}
