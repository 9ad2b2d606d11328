//! Jobs whose message the broker has lost: found by its absence from the store, and sent again or ended.

use chrono::{DateTime, Utc};
use events::Envelope;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{Postgres, Tx};
use crate::{
    failure::{Failure, StoreError},
    store::{
        PendingMessage, Publish, Transaction,
        jobs::{INBOX_KEEPS, JobState, JobSteps, Mended, SentJob},
    },
};

/// Unfinished jobs whose next message is not kept, set aside, delayed or in the outbox. Its id says when it was written:
/// version 7 begins with the time.
const SENT: &str = r#"select job_id, name, key, state, step, queued_at from skeleton.jobs
    where state in ('queued', 'running', 'waiting') and kept_envelope is null
        and case substring(step::text from 15 for 1) when '7' then step < $1 else queued_at <= $2 end
        and (queued_at, job_id) > ($3, $4)
        and not exists (select from skeleton.set_aside where message_id = step)
        and not exists (select from skeleton.delayed where message_id = step)
        and not exists (select from skeleton.outbox
            where exchange like 'jobs.%' and substring(envelope from '"id":"([0-9a-f-]{36})"') = step::text)
    order by queued_at, job_id limit 1000"#;

/// Locks such a job. Does not wait for a running step, which holds the lock.
const LOCK: &str = "select step_envelope, step_body, exists (select from skeleton.inbox where message_id = step),
        exists (select from skeleton.job_cancels c where c.job_id = j.job_id)
    from skeleton.jobs j
    where job_id = $1 and step = $2 and state in ('queued', 'running', 'waiting') and kept_envelope is null
        and not exists (select from skeleton.set_aside where message_id = step)
    for no key update skip locked";

const FAIL: &str = "update skeleton.jobs set state = 'failed', error = $2, ended_at = $3 where job_id = $1";

/// The message of a job to be cancelled, unless the store has it or its step is running.
const CANCELLED: &str = "select step, step_envelope, step_body from skeleton.jobs
    where job_id = $1 and state in ('queued', 'running', 'waiting') and kept_envelope is null
        and not exists (select from skeleton.set_aside where message_id = step)
        and not exists (select from skeleton.inbox where message_id = step)
    for no key update skip locked";

/// A store that has not been migrated yet has no jobs.
const HAS_JOBS: &str = "select to_regclass('skeleton.jobs') is not null";

pub(super) async fn sent(
    store: &Postgres,
    before: DateTime<Utc>,
    after: Option<&SentJob>,
) -> Result<Vec<SentJob>, StoreError> {
    if !store.query_opt(HAS_JOBS, &[]).await?.is_some_and(|row| row.get(0)) {
        return Ok(Vec::new());
    }
    let (queued_at, id) = after.map_or((DateTime::UNIX_EPOCH, Uuid::nil()), |job| (job.queued_at, job.id));
    let rows = store.query(SENT, &[&first_after(before), &before, &queued_at, &id]).await?;
    Ok(rows.iter().map(sent_job).collect())
}

/// The smallest id of version 7 that was written after a time.
fn first_after(time: DateTime<Utc>) -> Uuid {
    let milliseconds = u64::try_from(time.timestamp_millis()).unwrap_or(0) + 1;
    Uuid::from_u128(u128::from(milliseconds) << 80)
}

pub(super) async fn mend(tx: &mut Tx, lost: &SentJob) -> Result<Option<Mended>, Failure> {
    let Some(row) = tx.query_opt(LOCK, &[&lost.id, &lost.step]).await? else { return Ok(None) };
    let (was_handled, is_to_stop): (bool, bool) = (row.get(2), row.get(3));
    if was_handled {
        tx.end_job(lost.id, JobState::Done).await?;
        return Ok(Some(Mended::Done));
    }
    let is_known_to_the_inbox = tx.now() - lost.sent_at() < INBOX_KEEPS;
    if let Some((envelope, body)) = message(lost.step, row.get(0), row.get(1)).filter(|_| is_known_to_the_inbox) {
        send_again(tx, envelope, body)?;
        return Ok(Some(Mended::Sent));
    }
    if is_to_stop {
        tx.end_job(lost.id, JobState::Cancelled).await?;
        return Ok(Some(Mended::Cancelled));
    }
    tx.end_job(lost.id, JobState::Failed).await?;
    let error = "its message was lost and cannot be sent again";
    tx.execute(FAIL, &[&lost.id, &error, &tx.now()]).await?;
    Ok(Some(Mended::Failed))
}

/// Sends the message of a cancelled job again, so that the job ends even if the broker has lost the first one.
pub(super) async fn send_cancelled(tx: &mut Tx, job: Uuid) -> Result<(), Failure> {
    let Some(row) = tx.query_opt(CANCELLED, &[&job]).await? else { return Ok(()) };
    match message(row.get(0), row.get(1), row.get(2)) {
        Some((envelope, body)) => send_again(tx, envelope, body),
        None => Ok(()),
    }
}

/// The message of a step, if it is the one that was kept: an older build continues a job without keeping messages.
fn message(step: Uuid, envelope: Option<&str>, body: Option<String>) -> Option<(Envelope, String)> {
    let envelope: Envelope = serde_json::from_str(envelope?).ok()?;
    Some((envelope, body?)).filter(|(envelope, _)| envelope.id == step)
}

fn sent_job(row: &Row) -> SentJob {
    SentJob {
        id: row.get(0),
        name: row.get(1),
        key: row.get(2),
        state: JobState::from_word(row.get(3)),
        step: row.get(4),
        queued_at: row.get(5),
    }
}

/// Stages a step's message again under its id.
pub(super) fn send_again(tx: &mut Tx, envelope: Envelope, body: String) -> Result<(), Failure> {
    let (service, routing_key) =
        envelope.name.split_once('.').ok_or_else(|| Failure::bug("a job name has no service"))?;
    let (exchange, routing_key) = (format!("jobs.{service}"), routing_key.to_owned());
    tx.unit_of_work_mut().stage_again(PendingMessage { exchange, routing_key, envelope, body });
    Ok(())
}
