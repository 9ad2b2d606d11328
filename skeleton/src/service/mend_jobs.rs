//! `<service> jobs mend`: finds jobs whose message the broker has lost, and sends it again or ends them.
//!
//! A message is lost with a queue that was deleted, or with a broker. The store shows which jobs have not ended, but
//! not which messages the broker has. So a job counts as lost if its message is nowhere in the store and was written a
//! while ago, and no message waits in the queue. The message is sent again under its id, so that it has no second
//! effect if the first one arrives after all.

use std::{fmt, sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use futures::future::BoxFuture;

use super::{Service, waiting::connected};
use crate::{
    config::{BrokerSettings, Settings, SettingsError},
    environment::Environment,
    failure::{Failure, StoreError},
    messaging::rabbit::{BrokerError, Link, Login, waiting_in},
    stop,
    store::{JobRecords, JobSteps, Mended, SentJob, ServiceContext, Store, Transaction},
};

/// The time limit for the broker's answer about a queue.
const TIMEOUT: Duration = Duration::from_secs(15);

/// The criteria for lost jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::Args)]
pub struct MendOptions {
    /// Only jobs whose message was written at least this many minutes ago.
    #[arg(long, default_value_t = 10)]
    pub older_than_minutes: u32,
    /// Only show them.
    #[arg(long)]
    pub dry_run: bool,
    /// Even if messages wait in the queue, which may be those of these jobs: a duplicate has one effect.
    #[arg(long)]
    pub force: bool,
}

/// A lost job, and what was done about it: `None` if it was only shown, or has continued.
pub type LostJob = (SentJob, Option<Mended>);

/// Why lost jobs were not mended.
#[derive(Debug, thiserror::Error)]
pub enum MendError {
    /// A setting is invalid.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The service has no jobs.
    #[error("this service has no jobs")]
    NoJobs,
    /// The store does not respond, or refuses.
    #[error("the store: {0}")]
    Store(#[from] StoreError),
    /// A job cannot be mended.
    #[error("{0}")]
    Failed(#[from] Failure),
    /// The broker does not respond.
    #[error("the broker: {0}")]
    Broker(BrokerError),
    /// The jobs found may be waiting in the queue.
    #[error(
        "{waiting} messages wait in {queue}, and the {found} jobs found may be among them. Run it again when the queue is \
         empty, or with --force: a duplicate message has one effect"
    )]
    QueueNotEmpty {
        /// The queue.
        queue: String,
        /// The number of messages in it.
        waiting: u32,
        /// The number of jobs found.
        found: usize,
    },
}

/// Finds and mends lost jobs in a store.
pub(super) type Mender<S> =
    fn(S, Arc<ServiceContext>, MendOptions, u32) -> BoxFuture<'static, Result<Vec<LostJob>, MendError>>;

impl<S: Store> Service<S> {
    /// Finds jobs whose message the broker has lost, and sends it again or ends them.
    ///
    /// # Errors
    /// If settings are invalid, the broker or the store does not respond, or the queue is not empty.
    pub async fn mend_jobs(&self, settings: &Settings, options: MendOptions) -> Result<Vec<LostJob>, MendError> {
        let mender = self.job_mender.ok_or(MendError::NoJobs)?;
        let store = self.open_store(settings)?;
        let service = Arc::new(ServiceContext::new(self.name, Environment::system()));
        let waiting = if options.force { 0 } else { waiting_jobs(self.name, settings).await? };
        mender(store, service, options, waiting).await
    }
}

/// The number of messages that wait in the queue of a service's jobs; 0 if the queue does not exist.
async fn waiting_jobs(service: &str, settings: &Settings) -> Result<u32, MendError> {
    let broker: BrokerSettings = settings.section("broker")?;
    let (_open, opened) = stop::channel();
    let login = Login::of_service(service, &broker)?;
    let link = Link::open(login, format!("{service} mending"), Environment::system(), opened);
    let queue = format!("{service}.jobs");
    let found = async {
        connected(&link).await?;
        tokio::time::timeout(TIMEOUT, waiting_in(&link, &queue)).await.unwrap_or(Err(BrokerError::Timeout(TIMEOUT)))
    };
    Ok(found.await.map_err(MendError::Broker)?.unwrap_or(0))
}

pub(super) async fn mend<S: JobRecords>(
    store: S,
    service: Arc<ServiceContext>,
    options: MendOptions,
    waiting: u32,
) -> Result<Vec<LostJob>, MendError>
where
    S::Tx: JobSteps,
{
    let latest = service.environment.now() - TimeDelta::minutes(options.older_than_minutes.into());
    let mut lost = lost_jobs(&store, latest).await?;
    if options.dry_run || lost.is_empty() {
        return Ok(lost);
    }
    if waiting > 0 {
        let queue = format!("{}.jobs", service.name);
        return Err(MendError::QueueNotEmpty { queue, waiting, found: lost.len() });
    }
    for (job, mended) in &mut lost {
        *mended = mend_one(&store, &service, job).await?;
    }
    Ok(lost)
}

/// The jobs whose message was written before a time and is not in the store.
async fn lost_jobs<S: JobRecords>(store: &S, latest: DateTime<Utc>) -> Result<Vec<LostJob>, StoreError> {
    let mut lost: Vec<LostJob> = Vec::new();
    loop {
        let page = store.sent_jobs(latest, lost.last().map(|(job, _)| job)).await?;
        if page.is_empty() {
            return Ok(lost);
        }
        lost.extend(page.into_iter().map(|job| (job, None)));
    }
}

/// One transaction per job: the next one does not depend on it.
async fn mend_one<S: JobRecords>(
    store: &S,
    service: &Arc<ServiceContext>,
    job: &SentJob,
) -> Result<Option<Mended>, Failure>
where
    S::Tx: JobSteps,
{
    let mut tx = store.begin(service, &[]).await?;
    let mended = tx.mend_job(job).await?;
    tx.commit().await?;
    Ok(mended)
}

/// A line about a lost job for an operator.
pub(super) struct Line<'a>(pub &'a LostJob);

impl fmt::Display for Line<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (job, mended) = self.0;
        let SentJob { id, name, state, .. } = job;
        let sent = job.sent_at().format("%Y-%m-%dT%H:%M:%SZ");
        let key = job.key.as_deref().map(|key| format!("  key {key}")).unwrap_or_default();
        let done = match mended {
            Some(Mended::Sent) => "  sent again",
            Some(Mended::Done) => "  was handled: done",
            Some(Mended::Failed) => "  cannot be sent again: failed",
            Some(Mended::Cancelled) => "  cannot be sent again: cancelled",
            None => "",
        };
        write!(formatter, "{id}  {name}  {}  message of {sent}{key}{done}", state.as_str())
    }
}
