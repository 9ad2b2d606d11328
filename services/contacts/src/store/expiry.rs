//! Statements that delete at most `$2` rows of expired imports, those created before `$1`. An import whose job is queued
//! or running does not expire.

use chrono::{DateTime, Utc};
use skeleton::{Postgres, StoreError};

/// The parts of files that were never submitted. Locked, so that a file that is submitted at this moment keeps its parts.
pub const PARTS: &str = "delete from import_parts where ctid = any(array(
    select p.ctid from imports i join import_parts p using (import_id)
    where i.created_at < $1 and i.status = 'uploading' limit $2 for update of i skip locked))";

/// Imports of files that were never submitted, once their parts are deleted.
pub const UPLOADS: &str = "delete from imports where import_id = any(array(
    select import_id from imports i where created_at < $1 and status = 'uploading'
      and not exists (select from import_parts p where p.import_id = i.import_id)
    limit $2 for update skip locked))";

/// The problems of ended imports.
pub const PROBLEMS: &str = "delete from import_problems where ctid = any(array(
    select p.ctid from imports i join import_problems p using (import_id)
    where i.created_at < $1 and i.status in ('finished', 'failed', 'cancelled') limit $2))";

/// Ended imports, once their problems are deleted.
pub const IMPORTS: &str = "delete from imports where import_id = any(array(
    select import_id from imports i where created_at < $1 and status in ('finished', 'failed', 'cancelled')
      and not exists (select from import_problems p where p.import_id = i.import_id)
    limit $2 for update skip locked))";

/// Deletes rows with one of the statements above. Other replicas may delete others at the same time.
pub async fn remove_older(store: &Postgres, sql: &str, than: DateTime<Utc>, limit: i64) -> Result<u64, StoreError> {
    store.execute(sql, &[&than, &limit]).await
}
