//! Jobs: work that a service puts into its own queue, processed in steps.
//!
//! A step is a message and has its own transaction. That transaction also updates the store's record of the job: its
//! progress, whether it was cancelled, and whether it may run beside others of its name.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use events::Job;

use super::{
    handlers::{Binding, Boxed, ByName, Handler, Reads},
    reader::Reader,
};
use crate::{
    config::RetryOverrides,
    failure::{Failure, HandlerResult},
    stop::Stop,
    store::{
        JobRecords, JobState, JobSteps, ServiceContext, Transaction,
        jobs::{StepAdmission, job_name},
    },
    trouble::Trouble,
};

/// The interval at which waiting jobs are polled, in case the end of another job did not admit them.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// The result of a step of a job.
pub enum Progress<J> {
    /// There is more to do: this job is enqueued for the next step.
    More(J),
    /// The same, with the progress as a count.
    Measured {
        /// The next step.
        next: J,
        /// The amount done.
        done: u64,
        /// The total amount.
        total: u64,
    },
    /// The job is done.
    Done,
    /// The step found that the rest is not wanted, and has cleaned up: the job ends as cancelled.
    Stopped,
}

/// The jobs that a service puts into its own queue.
///
/// A job is processed in steps, each a message with its own transaction: a crash costs at most one step, and many long
/// jobs take turns.
pub struct Jobs<Tx> {
    pub(crate) handlers: ByName<Tx>,
    pub(crate) bindings: Vec<Binding>,
    pub(crate) reads: Vec<Reads>,
    pub(crate) retry: RetryOverrides,
    limits: BTreeMap<&'static str, Option<u32>>,
}

/// The number of jobs of each name that may run at a time, over all replicas.
pub(crate) struct JobLimits(BTreeMap<&'static str, u32>);

impl<Tx: JobSteps + 'static> Jobs<Tx> {
    /// Creates an empty set of jobs.
    pub fn new() -> Self {
        Self {
            handlers: BTreeMap::new(),
            bindings: Vec::new(),
            reads: Vec::new(),
            retry: RetryOverrides::default(),
            limits: BTreeMap::new(),
        }
    }

    /// Overrides the shared retry settings for steps that fail.
    pub fn retrying(self, retry: RetryOverrides) -> Self {
        Self { retry, ..self }
    }

    /// Handles a job with this function, one step per call. Jobs of older versions are upcast.
    pub fn on<J, H>(self, step: H) -> Self
    where
        J: Job,
        H: for<'a> Handler<'a, J, Tx, Progress<J>> + 'static,
    {
        self.on_cancellable(step, nothing_to_clean_up)
    }

    /// The same; if a job is cancelled, the second function gets the step that no longer runs.
    pub fn on_cancellable<J, H, C>(mut self, step: H, cancelled: C) -> Self
    where
        J: Job,
        H: for<'a> Handler<'a, J, Tx, Progress<J>> + 'static,
        C: for<'a> Handler<'a, J, Tx, ()> + 'static,
    {
        self.reads.push(Reads::of::<J>());
        self.bindings.push(Binding { exchange: format!("jobs.{}", J::SERVICE), routing_key: J::KEY.to_owned() });
        self.limits.entry(job_name(J::NAME)).or_default();
        let (step, cancelled) = (Arc::new(step), Arc::new(cancelled));
        for reader in Reader::<J>::of_all_versions() {
            reader.keep(&mut self.handlers, one_step(reader.clone(), step.clone(), cancelled.clone()));
        }
        self
    }

    /// Limits the number of jobs of this kind that run at a time, over all replicas; `[jobs]` in the settings overrides
    /// it. Other jobs wait, which is no failure.
    pub fn at_most<J: Job>(mut self, limit: u32) -> Self {
        self.limits.insert(job_name(J::NAME), Some(limit));
        self
    }

    /// The limits declared in code.
    pub(crate) fn limits(&self) -> DeclaredLimits {
        DeclaredLimits(self.limits.clone())
    }
}

/// The number of jobs of each name that may run at a time, as declared in code; `None` is unlimited.
pub(crate) struct DeclaredLimits(BTreeMap<&'static str, Option<u32>>);

impl DeclaredLimits {
    /// Applies the settings to the declared limits. `import_file_at_most` is the key for `import-file`.
    pub(crate) fn changed_by(mut self, settings: &BTreeMap<String, u32>) -> Result<JobLimits, Vec<String>> {
        let mut errors = Vec::new();
        for (key, limit) in settings {
            let name = key.strip_suffix("_at_most").map(|name| name.replace('_', "-"));
            match name.and_then(|name| self.0.get_mut(name.as_str())) {
                Some(_) if *limit == 0 => errors.push(format!("[jobs] {key}: at least 1 must be allowed to run")),
                Some(found) => *found = Some(*limit),
                None => errors.push(format!("[jobs] {key}: write <job>_at_most, with a job of this service")),
            }
        }
        let limited = self.0.into_iter().filter_map(|(name, limit)| Some((name, limit?)));
        if errors.is_empty() { Ok(JobLimits(limited.collect())) } else { Err(errors) }
    }
}

impl<Tx: JobSteps + 'static> Default for Jobs<Tx> {
    fn default() -> Self {
        Self::new()
    }
}

async fn nothing_to_clean_up<J: Job, Tx: JobSteps>(_: J, _: &mut Tx) -> HandlerResult {
    Ok(())
}

fn one_step<J, Tx, H, C>(reader: Reader<J>, step: Arc<H>, cancelled: Arc<C>) -> Boxed<Tx>
where
    J: Job,
    Tx: JobSteps + 'static,
    H: for<'a> Handler<'a, J, Tx, Progress<J>> + 'static,
    C: for<'a> Handler<'a, J, Tx, ()> + 'static,
{
    let name = job_name(J::NAME);
    Arc::new(move |body, tx| {
        let (job, step, cancelled) = (reader.read(body), step.clone(), cancelled.clone());
        Box::pin(async move {
            let job = job?;
            let limit = limit_of(tx.unit_of_work().service(), name);
            match tx.begin_step(name, limit, body).await? {
                StepAdmission::Now(id) if tx.unit_of_work().drops_messages() => {
                    end(tx, id, name, limit, JobState::Cancelled).await
                }
                StepAdmission::Now(id) => {
                    let (next, progress) = match step.call(job, tx).await? {
                        Progress::More(next) => (next, None),
                        Progress::Measured { next, done, total } => (next, Some((count(done), count(total)))),
                        Progress::Done => return end(tx, id, name, limit, JobState::Done).await,
                        Progress::Stopped => return end(tx, id, name, limit, JobState::Cancelled).await,
                    };
                    let next = tx.enqueue(next)?;
                    Ok(tx.continue_job(id, next, progress).await?)
                }
                StepAdmission::Stop(id) => {
                    cancelled.call(job, tx).await?;
                    end(tx, id, name, limit, JobState::Cancelled).await
                }
                StepAdmission::Later | StepAdmission::Never => Ok(()),
            }
        })
    })
}

/// Ends a job, and admits the next one of its name.
async fn end<Tx: JobSteps>(
    tx: &mut Tx,
    id: uuid::Uuid,
    name: &str,
    limit: Option<u32>,
    state: JobState,
) -> HandlerResult {
    tx.end_job(id, state).await?;
    if let Some(limit) = limit {
        tx.admit(name, limit).await?;
    }
    Ok(())
}

fn limit_of(service: &ServiceContext, name: &str) -> Option<u32> {
    service.find::<JobLimits>()?.0.get(name).copied()
}

fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Creates the slots of limited jobs, and admits waiting jobs, until the service stops.
pub(crate) async fn admit_those_who_wait<S: JobRecords>(store: S, service: Arc<ServiceContext>, stop: Stop)
where
    S::Tx: JobSteps,
{
    let limits = service.get::<JobLimits>();
    if limits.0.is_empty() {
        return stop.stopped().await;
    }
    let (mut are_open, mut trouble) = (false, Trouble::of("polling waiting jobs"));
    while !stop.is_stopped() {
        let looked = async {
            if !are_open {
                open(&store, &limits).await?;
            }
            admit(&store, &service, &limits).await
        };
        let looked = looked.await;
        trouble.note(&looked);
        are_open |= looked.is_ok();
        tokio::select! {
            () = stop.stopped() => {}
            () = tokio::time::sleep(BETWEEN_LOOKS) => {}
        }
    }
}

async fn open<S: JobRecords>(store: &S, limits: &JobLimits) -> HandlerResult {
    for (name, limit) in &limits.0 {
        store.open_slots(name, *limit).await?;
    }
    Ok(())
}

async fn admit<S: JobRecords>(store: &S, service: &Arc<ServiceContext>, limits: &JobLimits) -> Result<(), Failure>
where
    S::Tx: JobSteps,
{
    for (name, limit) in &limits.0 {
        let mut tx = store.begin(service, &[]).await?;
        while tx.admit(name, *limit).await? {}
        tx.commit().await?;
    }
    Ok(())
}
