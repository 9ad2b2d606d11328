//! Housekeeping: deletes old notifications.

use std::time::Duration;

use chrono::TimeDelta;
use skeleton::{App, Housekeeping, Postgres, StoreError};

use crate::store;

const HOUR: Duration = Duration::from_secs(3_600);

/// How many days a notification is kept. Longer than the histories of events (30 days): an event that is replayed does
/// not notify again.
const KEPT_DAYS: i64 = 90;

/// The tasks.
pub fn tasks() -> Housekeeping<Postgres> {
    Housekeeping::new().removes(HOUR, "notifications", remove_old_notifications)
}

async fn remove_old_notifications(app: App<Postgres>, limit: i64) -> Result<u64, StoreError> {
    let kept_since = app.service.environment.now() - TimeDelta::days(KEPT_DAYS);
    store::remove_older(&app.store, kept_since, limit).await
}
