//! Jobs on Neo4j: run step by step, without records. Progress, cancelling, keys and limits are available only on
//! Postgres.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Neo4j, Tx};
use crate::{
    failure::{Failure, StoreError},
    store::{
        Signed, Transaction,
        jobs::{JobRecord, JobRecords, JobState, JobSteps, Mended, SentJob, StepAdmission},
    },
};

fn unrecorded() -> StoreError {
    StoreError::broken("job records are not supported on Neo4j: use a service on Postgres")
}

impl JobRecords for Neo4j {
    async fn list_jobs(&self, _: Option<&str>, _: Option<JobState>, _: i64) -> Result<Vec<JobRecord>, StoreError> {
        Err(unrecorded())
    }

    async fn find_job(&self, _: Uuid) -> Result<Option<JobRecord>, StoreError> {
        Err(unrecorded())
    }

    async fn retry_job(&self, _: Uuid, _: &Signed) -> Result<bool, StoreError> {
        Err(unrecorded())
    }

    async fn sent_jobs(&self, _: DateTime<Utc>, _: Option<&SentJob>) -> Result<Vec<SentJob>, StoreError> {
        Err(unrecorded())
    }

    async fn open_slots(&self, _: &str, _: u32) -> Result<(), StoreError> {
        Err(unrecorded())
    }
}

impl JobSteps for Tx {
    async fn begin_step(&mut self, _: &str, limit: Option<u32>, _: &[u8]) -> Result<StepAdmission, StoreError> {
        let message = self.unit_of_work().cause().ok_or_else(|| StoreError::broken("a job step has no message"))?.id;
        limit.map_or(Ok(StepAdmission::Now(message)), |_| Err(unrecorded()))
    }

    async fn continue_job(&mut self, _: Uuid, _: Uuid, _: Option<(i64, i64)>) -> Result<(), StoreError> {
        Ok(())
    }

    async fn end_job(&mut self, _: Uuid, _: JobState) -> Result<(), StoreError> {
        Ok(())
    }

    async fn admit(&mut self, _: &str, _: u32) -> Result<bool, Failure> {
        Err(unrecorded().into())
    }

    async fn record_once(&mut self, _: Uuid, _: &str, _: &str) -> Result<Option<Uuid>, Failure> {
        Err(unrecorded().into())
    }

    async fn find_keyed(&mut self, _: &str, _: &str) -> Result<Option<Uuid>, StoreError> {
        Err(unrecorded())
    }

    async fn cancel_job(&mut self, _: Uuid) -> Result<bool, Failure> {
        Err(unrecorded().into())
    }

    async fn mend_job(&mut self, _: &SentJob) -> Result<Option<Mended>, Failure> {
        Err(unrecorded().into())
    }
}
