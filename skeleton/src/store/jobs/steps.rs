//! Transactions that run jobs.

use std::future::Future;

use events::Job;
use uuid::Uuid;

use super::{JobState, Mended, SentJob, StepAdmission, job_name};
use crate::{
    failure::{Failure, StoreError},
    store::{Publish, checks},
};

/// A transaction that runs jobs.
pub trait JobSteps: Publish {
    /// Begins the step of the current message; `limit` is the number of jobs of its name that may run.
    fn begin_step(
        &mut self,
        name: &str,
        limit: Option<u32>,
        body: &[u8],
    ) -> impl Future<Output = Result<StepAdmission, StoreError>> + Send;

    /// Records the message of a job's next step, and the amount done and the total, if known.
    fn continue_job(
        &mut self,
        job: Uuid,
        next: Uuid,
        progress: Option<(i64, i64)>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Records a job's end.
    fn end_job(&mut self, job: Uuid, state: JobState) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Puts the job of a name that has been kept longest back into the queue, if the limit allows. Returns whether it
    /// did.
    fn admit(&mut self, name: &str, limit: u32) -> impl Future<Output = Result<bool, Failure>> + Send;

    /// Records a job under a key. If another unfinished job has that name and key, returns its id.
    fn record_once(
        &mut self,
        id: Uuid,
        name: &str,
        key: &str,
    ) -> impl Future<Output = Result<Option<Uuid>, Failure>> + Send;

    /// Finds the unfinished job of a name and key.
    fn find_keyed(&mut self, name: &str, key: &str) -> impl Future<Output = Result<Option<Uuid>, StoreError>> + Send;

    /// Stops a job before its next step; its completed steps remain. Returns whether the job was unfinished.
    ///
    /// # Errors
    /// Fails if the store does not respond.
    fn cancel_job(&mut self, id: Uuid) -> impl Future<Output = Result<bool, Failure>> + Send;

    /// Sends the lost message of a job again, or ends the job if that is impossible. Returns `None` if the job has
    /// advanced in the meantime, or its step is running.
    fn mend_job(&mut self, lost: &SentJob) -> impl Future<Output = Result<Option<Mended>, Failure>> + Send;

    /// Puts a job into the service's own queue if and only if the transaction commits, unless an unfinished job has the
    /// same name and key. In that case, returns the id of that job.
    ///
    /// # Errors
    /// Rejects a job of more than 256 kB and a key of more than 1,024 bytes; fails if the store does not respond.
    fn enqueue_once<J: Job>(&mut self, key: &str, job: J) -> impl Future<Output = Result<Uuid, Failure>> + Send {
        async move {
            checks::key(key)?;
            let id = self.enqueue(job)?;
            let there = self.record_once(id, job_name(J::NAME), key).await?;
            if there.is_some() {
                self.unit_of_work_mut().unstage(id);
            }
            Ok(there.unwrap_or(id))
        }
    }

    /// Stops the job of this kind and key before its next step. Returns whether there was an unfinished one.
    ///
    /// # Errors
    /// Fails if the store does not respond.
    fn cancel_keyed<J: Job>(&mut self, key: &str) -> impl Future<Output = Result<bool, Failure>> + Send {
        async move {
            match self.find_keyed(job_name(J::NAME), key).await? {
                Some(id) => self.cancel_job(id).await,
                None => Ok(false),
            }
        }
    }
}
