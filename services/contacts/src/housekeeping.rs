//! Housekeeping: deletes old imports, and files that were never submitted.

use std::time::Duration;

use chrono::TimeDelta;
use skeleton::{App, Housekeeping, Postgres, StoreError};

use crate::store::expiry;

const HOUR: Duration = Duration::from_secs(3_600);
/// How long an upload may take until the file is submitted.
const UPLOAD: TimeDelta = TimeDelta::hours(24);
/// How long an import is kept.
const KEPT: TimeDelta = TimeDelta::days(90);

/// The tasks. An import may have many parts and problems: they are deleted in batches of their own, before the import.
pub fn tasks() -> Housekeeping<Postgres> {
    Housekeeping::new()
        .removes(HOUR, "import parts", |app, limit| remove(app, expiry::PARTS, UPLOAD, limit))
        .removes(HOUR, "uploads", |app, limit| remove(app, expiry::UPLOADS, UPLOAD, limit))
        .removes(HOUR, "import problems", |app, limit| remove(app, expiry::PROBLEMS, KEPT, limit))
        .removes(HOUR, "imports", |app, limit| remove(app, expiry::IMPORTS, KEPT, limit))
}

async fn remove(app: App<Postgres>, sql: &'static str, kept: TimeDelta, limit: i64) -> Result<u64, StoreError> {
    expiry::remove_older(&app.store, sql, app.service.environment.now() - kept, limit).await
}
