//! Unreadable rows: kept unchanged in a separate table until an operator has repaired them.

use tokio_postgres::Client;

use super::{Postgres, Tx};
use crate::failure::StoreError;

/// Sets an outbox row aside, with the reason.
pub(super) const FROM_OUTBOX: &str = "with taken as (delete from skeleton.outbox where position = $1 returning *)
    insert into skeleton.unreadable (origin, position, exchange, routing_key, sequence, envelope, body, written_at, reason)
    select 'outbox', position, exchange, routing_key, sequence, envelope, body, written_at, $2 from taken";

const FROM_DELAYED: &str = "insert into skeleton.unreadable
    (origin, position, message_id, due_at, exchange, routing_key, envelope, body, reason)
    values ('delayed', $1, $2, $3, $4, $5, $6, $7, $8)";

/// If two replicas set jobs aside at the same time, one of them fails on the position and tries again.
const FROM_JOBS: &str = "insert into skeleton.unreadable
    (origin, position, message_id, exchange, routing_key, envelope, body, reason)
    select 'jobs', (select coalesce(max(position), 0) + 1 from skeleton.unreadable where origin = 'jobs'),
        step, '', name, kept_envelope, kept_body, $2
    from skeleton.jobs where job_id = $1";

const COUNT: &str = "select count(*) from skeleton.unreadable";

/// Sets an outbox row aside.
pub(super) async fn from_outbox(client: &Client, position: i64, reason: &str) -> Result<(), tokio_postgres::Error> {
    client.execute(FROM_OUTBOX, &[&position, &reason]).await.map(drop)
}

/// Sets aside a delayed job that the transaction has taken out.
pub(super) async fn from_delayed(tx: &mut Tx, row: &tokio_postgres::Row, reason: &str) -> Result<(), StoreError> {
    let (due_at, position, message_id): (chrono::DateTime<chrono::Utc>, i64, uuid::Uuid) =
        (row.get(0), row.get(1), row.get(2));
    let (exchange, routing_key, envelope, body): (&str, &str, &str, &str) =
        (row.get(3), row.get(4), row.get(5), row.get(6));
    tx.execute(FROM_DELAYED, &[&position, &message_id, &due_at, &exchange, &routing_key, &envelope, &body, &reason])
        .await
        .map(drop)
}

/// Sets aside the kept message of a job.
pub(super) async fn from_jobs(tx: &mut Tx, job: uuid::Uuid, reason: &str) -> Result<(), StoreError> {
    tx.execute(FROM_JOBS, &[&job, &reason]).await.map(drop)
}

/// The number of unreadable rows.
pub(super) async fn count(store: &Postgres) -> Result<i64, StoreError> {
    Ok(store.query_opt(COUNT, &[]).await?.map_or(0, |row| row.get(0)))
}
