//! Schedules in Neo4j. Each has a time until which it is settled; the transaction that advances it owns the run.

use chrono::{DateTime, Utc};
use neo4rs::query;
use serde::Deserialize;
use uuid::Uuid;

use super::{Neo4j, Tx};
use crate::{
    failure::StoreError,
    store::schedules::{NoteRun, Run, ScheduleRuns},
};

const ADOPT: &str = "MERGE (schedule:Schedule {name: $name})
    SET schedule.is_taken = true
    WITH schedule, CASE schedule.rhythm WHEN $rhythm THEN schedule.settled_until ELSE $now END AS settled_until
    SET schedule.rhythm = $rhythm, schedule.settled_until = settled_until
    RETURN settled_until";

const NOTE: &str = "MATCH (schedule:Schedule {name: $name})
    SET schedule.is_taken = true
    WITH schedule WHERE schedule.settled_until < $due_at
    SET schedule.settled_until = $due_at
    CREATE (:ScheduleRun {name: $name, due_at: $due_at, noted_at: $noted_at, job: $job})
    RETURN true AS noted";

const LAST: &str = "MATCH (run:ScheduleRun {name: $name}) WHERE run.job IS NOT NULL
    RETURN run.due_at AS due_at, run.noted_at AS noted_at, run.job AS job ORDER BY due_at DESC LIMIT 1";

/// Deletes runs recorded more than 90 days ago.
pub(super) const FORGET: &str = "MATCH (run:ScheduleRun) WHERE run.noted_at < datetime() - duration('P90D')
    WITH run LIMIT $limit DELETE run RETURN count(*) AS removed";

#[derive(Deserialize)]
struct LastRun {
    due_at: DateTime<Utc>,
    noted_at: DateTime<Utc>,
    job: Uuid,
}

impl ScheduleRuns for Neo4j {
    async fn adopt(&self, name: &str, rhythm: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, StoreError> {
        let adopt = query(ADOPT).param("name", name).param("rhythm", rhythm).param("now", now.fixed_offset());
        let settled: Vec<DateTime<Utc>> = self.write(adopt).await?;
        settled.first().copied().ok_or_else(|| StoreError::broken("adopting a schedule returned no row"))
    }

    async fn settled_until(&self, name: &str) -> Result<Option<DateTime<Utc>>, StoreError> {
        let asked = "MATCH (schedule:Schedule {name: $name}) RETURN schedule.settled_until AS settled_until";
        self.query_opt(query(asked).param("name", name)).await
    }

    async fn last_run(&self, name: &str) -> Result<Option<Run>, StoreError> {
        let row: Option<LastRun> = self.query_opt(query(LAST).param("name", name)).await?;
        Ok(row.map(|LastRun { due_at, noted_at, job }| Run { due_at, noted_at, job: Some(job) }))
    }
}

impl NoteRun for Tx {
    async fn note_run(&mut self, name: &str, run: &Run) -> Result<bool, StoreError> {
        let note = query(NOTE).param("name", name).param("job", run.job.map(|job| job.to_string()));
        let note = note.param("due_at", run.due_at.fixed_offset()).param("noted_at", run.noted_at.fixed_offset());
        let noted: Option<bool> = self.query_opt(note).await?;
        Ok(noted.is_some())
    }
}
