//! Jobs in Postgres. `step` is the id of the message of a job's next step, so that a message finds its job without
//! carrying the job's id.

use events::Envelope;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{Postgres, Tx, lost_jobs, unreadable};
use crate::{
    failure::{Failure, StoreError},
    store::{
        Decisions, Publish, Signed, Transaction,
        jobs::{JobRecord, JobRecords, JobState, JobSteps, Mended, SentJob, StepAdmission},
        outbox::{read_envelope, tell_unreadable},
    },
};

/// Deletes jobs that ended 14 days ago, except those that a person may retry.
pub(super) const FORGET: &str = "delete from skeleton.jobs where job_id = any(array(
        select job_id from skeleton.jobs where ended_at < now() - interval '14 days'
            and not exists (select from skeleton.set_aside where message_id = step) order by ended_at limit $1))";

/// A job without a record was enqueued by a build that did not record jobs: it is recorded now.
const BEGIN: &str = "with known as (
        select job_id, state from skeleton.jobs where step = $1 for no key update
    ), new as (
        insert into skeleton.jobs (job_id, name, step, state, queued_at)
        select $1, $2, $1, 'queued', $3 where not exists (select from known)
        on conflict do nothing returning job_id, state
    ), found as (select job_id, state from known union all select job_id, state from new)
    select job_id, state, exists (select from skeleton.job_cancels c where c.job_id = found.job_id) from found";

const TAKE_SLOT: &str = "with held as (
        select slot from skeleton.job_slots where job_id = $1
    ), free as (
        select name, slot from skeleton.job_slots
        where name = $2 and slot <= $3 and job_id is null and not exists (select from held)
        order by slot limit 1 for update skip locked
    ), taken as (
        update skeleton.job_slots as s set job_id = $1 from free where s.name = free.name and s.slot = free.slot
        returning s.slot
    )
    select slot from held union all select slot from taken";

/// Assigns a free slot to the job that has been kept longest.
const GIVE_SLOT: &str = "with free as (
        select name, slot from skeleton.job_slots where name = $1 and slot <= $2 and job_id is null
        order by slot limit 1 for update skip locked
    ), next as (
        select job_id, kept_envelope, kept_body from skeleton.jobs
        where name = $1 and kept_envelope is not null and exists (select from free)
        order by queued_at, job_id limit 1 for update skip locked
    ), given as (
        update skeleton.job_slots as s set job_id = next.job_id from free, next
        where s.name = free.name and s.slot = free.slot
    )
    select job_id, kept_envelope, kept_body from next";

/// Cancels a job. If it waits for a retry, the retry runs at once. Does not wait for a running step.
const CANCEL: &str = "with cancelled as (
        insert into skeleton.job_cancels (job_id)
        select job_id from skeleton.jobs where job_id = $1 and state in ('queued', 'running', 'waiting')
        on conflict (job_id) do update set job_id = excluded.job_id returning job_id
    ), hurried as (
        update skeleton.set_aside set due_at = now() where message_id = (
            select message_id from skeleton.set_aside where state = 'waiting'
                and message_id = (select j.step from skeleton.jobs j join cancelled using (job_id))
            for update skip locked)
    )
    select job_id from cancelled";

const LIST: &str =
    "select job_id, name, key, state, exists (select from skeleton.job_cancels c where c.job_id = j.job_id),
        done, total, error, queued_at, started_at, ended_at
    from skeleton.jobs j
    where ($1::uuid is null or job_id = $1) and ($2::text is null or name = $2) and ($3::text is null or state = $3)
    order by queued_at desc, job_id limit $4";

impl JobRecords for Postgres {
    async fn list_jobs(
        &self,
        name: Option<&str>,
        state: Option<JobState>,
        limit: i64,
    ) -> Result<Vec<JobRecord>, StoreError> {
        let rows = self.query(LIST, &[&None::<Uuid>, &name, &state.map(JobState::as_str), &limit]).await?;
        Ok(rows.iter().map(record).collect())
    }

    async fn find_job(&self, id: Uuid) -> Result<Option<JobRecord>, StoreError> {
        let row = self.query_opt(LIST, &[&Some(id), &None::<&str>, &None::<&str>, &1i64]).await?;
        Ok(row.as_ref().map(record))
    }

    async fn retry_job(&self, id: Uuid, signed: &Signed) -> Result<bool, StoreError> {
        let sql = "select step from skeleton.jobs where job_id = $1 and state = 'failed'";
        let Some(row) = self.query_opt(sql, &[&id]).await? else { return Ok(false) };
        let retried = self.redrive(&[row.get(0)], signed).await.map_err(|error| match error.breaks("jobs_by_key") {
            true => StoreError::broken("another job has its key: wait until that job has ended"),
            false => error,
        })?;
        Ok(retried > 0)
    }

    async fn sent_jobs(&self) -> Result<Vec<SentJob>, StoreError> {
        lost_jobs::sent(self).await
    }

    async fn open_slots(&self, name: &str, slots: u32) -> Result<(), StoreError> {
        let sql = "insert into skeleton.job_slots (name, slot) select $1, generate_series(1, $2::int4) on conflict do nothing";
        self.execute(sql, &[&name, &i32::try_from(slots).unwrap_or(i32::MAX)]).await.map(drop)
    }
}

impl JobSteps for Tx {
    async fn begin_step(&mut self, name: &str, limit: Option<u32>, body: &[u8]) -> Result<StepAdmission, StoreError> {
        let envelope =
            self.unit_of_work().cause().cloned().ok_or_else(|| StoreError::broken("a job step has no message"))?;
        let now = self.now();
        let Some(row) = self.query_opt(BEGIN, &[&envelope.id, &name, &now]).await? else {
            return Ok(StepAdmission::Never);
        };
        let (job, state): (Uuid, JobState) = (row.get(0), JobState::from_word(row.get(1)));
        if matches!(state, JobState::Done | JobState::Cancelled) {
            return Ok(StepAdmission::Never);
        }
        if row.get(2) {
            return Ok(StepAdmission::Stop(job));
        }
        if let Some(limit) = limit
            && !take_slot(self, job, name, limit).await?
        {
            keep(self, job, &envelope, body).await?;
            return Ok(StepAdmission::Later);
        }
        if state != JobState::Running {
            let sql = "update skeleton.jobs set state = 'running', error = null, ended_at = null, started_at = coalesce(started_at, $2)
                where job_id = $1";
            self.execute_later(sql, &[&job, &now]).await?;
        }
        Ok(StepAdmission::Now(job))
    }

    async fn continue_job(&mut self, job: Uuid, next: Uuid, progress: Option<(i64, i64)>) -> Result<(), StoreError> {
        let (done, total) = progress.unzip();
        let sql = "update skeleton.jobs set step = $2, done = coalesce($3, done), total = coalesce($4, total) where job_id = $1";
        self.execute_later(sql, &[&job, &next, &done, &total]).await
    }

    async fn end_job(&mut self, job: Uuid, state: JobState) -> Result<(), StoreError> {
        let now = self.now();
        let sql = "update skeleton.jobs set state = $2, ended_at = $3, kept_envelope = null, kept_body = null,
            step_envelope = null, step_body = null, done = case $2 when 'done' then total else done end where job_id = $1";
        self.execute_later(sql, &[&job, &state.as_str(), &now]).await?;
        self.execute_later("update skeleton.job_slots set job_id = null where job_id = $1", &[&job]).await
    }

    async fn admit(&mut self, name: &str, limit: u32) -> Result<bool, Failure> {
        match self.query_opt(GIVE_SLOT, &[&name, &number(limit)]).await? {
            Some(kept) => put_back(self, &kept).await.map(|()| true),
            None => Ok(false),
        }
    }

    async fn record_once(&mut self, id: Uuid, name: &str, key: &str) -> Result<Option<Uuid>, Failure> {
        let now = self.now();
        let sql = "insert into skeleton.jobs (job_id, name, key, step, state, queued_at) values ($1, $2, $3, $1, 'queued', $4)
            on conflict (name, key) where state in ('queued', 'running', 'waiting') do nothing";
        if self.execute(sql, &[&id, &name, &key, &now]).await? > 0 {
            return Ok(None);
        }
        let there = self.find_keyed(name, key).await?;
        // It ended between the two statements: a retry works.
        there.map(Some).ok_or_else(|| Failure::retry("the job with this key has just ended"))
    }

    async fn find_keyed(&mut self, name: &str, key: &str) -> Result<Option<Uuid>, StoreError> {
        let sql = "select job_id from skeleton.jobs where name = $1 and key = $2 and state in ('queued', 'running', 'waiting')";
        Ok(self.query_opt(sql, &[&name, &key]).await?.map(|row| row.get(0)))
    }

    async fn cancel_job(&mut self, id: Uuid) -> Result<bool, Failure> {
        if self.query_opt(CANCEL, &[&id]).await?.is_none() {
            return Ok(false);
        }
        // A kept job needs no slot to stop.
        let kept = "select job_id, kept_envelope, kept_body from skeleton.jobs
            where job_id = $1 and kept_envelope is not null for update";
        match self.query_opt(kept, &[&id]).await? {
            Some(kept) => put_back(self, &kept).await?,
            None => lost_jobs::send_cancelled(self, id).await?,
        }
        Ok(true)
    }

    async fn mend_job(&mut self, lost: &SentJob) -> Result<Option<Mended>, Failure> {
        lost_jobs::mend(self, lost).await
    }
}

async fn take_slot(tx: &mut Tx, job: Uuid, name: &str, limit: u32) -> Result<bool, StoreError> {
    Ok(tx.query_opt(TAKE_SLOT, &[&job, &name, &number(limit)]).await?.is_some())
}

/// Keeps a step's message until the job may run.
async fn keep(tx: &mut Tx, job: Uuid, envelope: &Envelope, body: &[u8]) -> Result<(), StoreError> {
    let envelope = serde_json::to_string(envelope).map_err(StoreError::broken)?;
    let body = std::str::from_utf8(body).map_err(StoreError::broken)?;
    let sql = "update skeleton.jobs set state = 'queued', ended_at = null, kept_envelope = $2, kept_body = $3 where job_id = $1";
    tx.execute(sql, &[&job, &envelope, &body]).await.map(drop)
}

/// Puts a kept message back into the queue under its id, by which a saga identifies its timeout. The message is removed
/// from the inbox, which has recorded it. A message that cannot be read is set aside, and its job fails: it must not
/// block the other jobs of its name.
async fn put_back(tx: &mut Tx, kept: &Row) -> Result<(), Failure> {
    let (job, text, body): (Uuid, &str, String) = (kept.get(0), kept.get(1), kept.get(2));
    let envelope = match read_envelope(text) {
        Ok(envelope) => envelope,
        Err(reason) => return Ok(fail_unreadable(tx, job, &reason).await?),
    };
    tx.execute("delete from skeleton.inbox where message_id = $1", &[&envelope.id]).await?;
    let sql = "update skeleton.jobs set kept_envelope = null, kept_body = null where job_id = $1";
    tx.execute(sql, &[&job]).await?;
    lost_jobs::send_again(tx, envelope, body)
}

async fn fail_unreadable(tx: &mut Tx, job: Uuid, reason: &str) -> Result<(), StoreError> {
    unreadable::from_jobs(tx, job, reason).await?;
    tx.end_job(job, JobState::Failed).await?;
    let error = format!("its message cannot be read: {reason}");
    tx.execute("update skeleton.jobs set error = $2 where job_id = $1", &[&job, &error]).await?;
    tell_unreadable("jobs", &job.to_string(), reason);
    Ok(())
}

fn number(limit: u32) -> i32 {
    i32::try_from(limit).unwrap_or(i32::MAX)
}

fn record(row: &Row) -> JobRecord {
    JobRecord {
        id: row.get(0),
        name: row.get(1),
        key: row.get(2),
        state: JobState::from_word(row.get(3)),
        is_to_stop: row.get(4),
        done: row.get(5),
        total: row.get(6),
        error: row.get(7),
        queued_at: row.get(8),
        started_at: row.get(9),
        ended_at: row.get(10),
    }
}
