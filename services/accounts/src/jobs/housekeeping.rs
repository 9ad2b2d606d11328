//! Housekeeping: removes what is no longer needed.

use std::time::Duration;

use chrono::TimeDelta;
use skeleton::{App, Housekeeping, Postgres, StoreError};

use crate::{domain::Throttle, resources::Tokens, store};

const HOUR: Duration = Duration::from_secs(3600);

/// The tasks.
pub fn housekeeping() -> Housekeeping<Postgres> {
    Housekeeping::new()
        .removes(HOUR, "erasure receipts", remove_old_receipts)
        .removes(HOUR, "sessions", remove_unused_sessions)
        .removes(HOUR, "ended sessions", remove_old_ended_sessions)
        .removes(HOUR, "refresh tokens", remove_old_tokens)
        .removes(HOUR, "failed sign-ins", remove_old_failures)
}

async fn remove_old_receipts(app: App<Postgres>, limit: i64) -> Result<u64, StoreError> {
    let kept_since = store::receipts_kept_since(app.service.environment.now());
    store::remove_older(&app.store, store::OLD_RECEIPTS, kept_since, limit).await
}

async fn remove_unused_sessions(app: App<Postgres>, limit: i64) -> Result<u64, StoreError> {
    let unused_since = app.service.environment.now() - app.resource::<Tokens>().rules().lifetime;
    store::remove_older(&app.store, store::UNUSED_SESSIONS, unused_since, limit).await
}

async fn remove_old_ended_sessions(app: App<Postgres>, limit: i64) -> Result<u64, StoreError> {
    // The request that opened a session is repeated within a day, as long as its idempotency key is valid.
    let ended_since = app.service.environment.now() - TimeDelta::days(2);
    store::remove_older(&app.store, store::OLD_ENDED_SESSIONS, ended_since, limit).await
}

async fn remove_old_tokens(app: App<Postgres>, limit: i64) -> Result<u64, StoreError> {
    let replaced_since = app.service.environment.now() - app.resource::<Tokens>().rules().lifetime;
    store::remove_older(&app.store, store::OLD_TOKENS, replaced_since, limit).await
}

async fn remove_old_failures(app: App<Postgres>, limit: i64) -> Result<u64, StoreError> {
    let counted_since = app.service.environment.now() - app.resource::<Throttle>().window();
    store::remove_older(&app.store, store::OLD_FAILURES, counted_since, limit).await
}
