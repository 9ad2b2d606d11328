//! Housekeeping: each replica reads what other replicas have written, and removes what has expired.

use std::time::Duration;

use skeleton::{App, Housekeeping, Postgres, Problem, StoreError, http::auth::AccessTokens};

use crate::{caller::Accounts, ended::Ended, live::Live, store};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

/// The tasks.
pub fn tasks() -> Housekeeping<Postgres> {
    Housekeeping::new()
        .every(SECOND, "ended sessions", catch_up_with_ended)
        .every(SECOND, "live streams", catch_up_with_streams)
        .removes(MINUTE, "stream events", remove_old_stream_events)
        .removes(MINUTE, "ended sessions and accounts", remove_expired_ended)
        .every(HOUR, "signing keys", renew_keys)
}

async fn catch_up_with_ended(app: App<Postgres>) -> Result<(), StoreError> {
    app.resource::<Ended>().catch_up(&app.store).await
}

async fn catch_up_with_streams(app: App<Postgres>) -> Result<(), StoreError> {
    app.resource::<Live>().catch_up(&app.store).await
}

async fn remove_old_stream_events(app: App<Postgres>, limit: i64) -> Result<u64, StoreError> {
    store::remove_old_stream_events(&app.store, limit).await
}

async fn remove_expired_ended(app: App<Postgres>, limit: i64) -> Result<u64, StoreError> {
    store::remove_expired_ended(&app.store, limit).await
}

async fn renew_keys(app: App<Postgres>) -> Result<(), Problem> {
    app.resource::<AccessTokens>().renew_keys(&Accounts { requests: &app.requests, trace: None }).await
}
