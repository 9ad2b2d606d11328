//! Schedules in Postgres. Each has a time until which it is settled; the transaction that advances it owns the run.

use chrono::{DateTime, Utc};

use super::{Postgres, Tx};
use crate::{
    failure::StoreError,
    store::schedules::{NoteRun, Run, ScheduleRuns},
};

const ADOPT: &str = "insert into skeleton.schedules as s (name, rhythm, settled_until) values ($1, $2, $3)
    on conflict (name) do update set rhythm = excluded.rhythm,
        settled_until = case when s.rhythm = excluded.rhythm then s.settled_until else excluded.settled_until end
    returning settled_until";

/// Deletes runs recorded more than 90 days ago.
pub(super) const FORGET: &str = "delete from skeleton.schedule_runs where (name, due_at) in (
    select name, due_at from skeleton.schedule_runs where noted_at < now() - interval '90 days' order by noted_at limit $1)";

const NOTE: &str = "with moved as (
        update skeleton.schedules set settled_until = $2 where name = $1 and settled_until < $2 returning name
    )
    insert into skeleton.schedule_runs (name, due_at, noted_at, job_id) select name, $2, $3, $4 from moved
    on conflict do nothing";

impl ScheduleRuns for Postgres {
    async fn adopt(&self, name: &str, rhythm: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, StoreError> {
        let row = self.query_opt(ADOPT, &[&name, &rhythm, &now]).await?;
        row.map(|row| row.get(0)).ok_or_else(|| StoreError::broken("adopting a schedule returned no row"))
    }

    async fn settled_until(&self, name: &str) -> Result<Option<DateTime<Utc>>, StoreError> {
        let row = self.query_opt("select settled_until from skeleton.schedules where name = $1", &[&name]).await?;
        Ok(row.map(|row| row.get(0)))
    }

    async fn last_run(&self, name: &str) -> Result<Option<Run>, StoreError> {
        let sql = "select due_at, noted_at, job_id from skeleton.schedule_runs
            where name = $1 and job_id is not null order by due_at desc limit 1";
        let row = self.query_opt(sql, &[&name]).await?;
        Ok(row.map(|row| Run { due_at: row.get(0), noted_at: row.get(1), job: row.get(2) }))
    }
}

impl NoteRun for Tx {
    async fn note_run(&mut self, name: &str, run: &Run) -> Result<bool, StoreError> {
        Ok(self.execute(NOTE, &[&name, &run.due_at, &run.noted_at, &run.job]).await? > 0)
    }
}
