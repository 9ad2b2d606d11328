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

/// The tasks.
pub fn tasks() -> Housekeeping<Postgres> {
    Housekeeping::new()
        .removes(HOUR, "uploads", |app, limit| remove(app, UPLOAD, [expiry::PARTS, expiry::UPLOADS], limit))
        .removes(HOUR, "imports", |app, limit| remove(app, KEPT, [expiry::PROBLEMS, expiry::IMPORTS], limit))
}

/// Removes expired rows with the first statement, and with the second once the first has none left: an import has many
/// parts and problems, which are deleted in batches of their own.
async fn remove(app: App<Postgres>, kept: TimeDelta, sql: [&'static str; 2], limit: i64) -> Result<u64, StoreError> {
    let than = app.service.environment.now() - kept;
    let mut removed = 0;
    for sql in sql {
        removed += expiry::remove_older(&app.store, sql, than, limit).await?;
        if removed >= limit.unsigned_abs() {
            break;
        }
    }
    Ok(removed)
}
