//! Jobs as a part of a service: their assembly, and the commands for them.

use std::{collections::BTreeMap, sync::Arc};

use clap::Subcommand;
use futures::future::BoxFuture;
use uuid::Uuid;

use super::{
    Exit, Service,
    exit::WRONG_SETTINGS,
    mend_jobs::{Line, MendError, MendOptions, mend},
};
use crate::{
    config::Settings,
    failure::Failure,
    messaging::jobs::{Jobs, admit_those_who_wait},
    store::{JobRecord, JobRecords, JobState, JobSteps, ServiceContext, Signed, Store, Transaction},
};

/// Runs a command about jobs.
pub(super) type Desk<S> = fn(S, Arc<ServiceContext>, JobsCommand) -> BoxFuture<'static, Result<Exit, Failure>>;

#[derive(Subcommand)]
pub(super) enum JobsCommand {
    /// List jobs, newest first.
    List {
        /// Only jobs of this name: `import-file`.
        #[arg(long)]
        name: Option<String>,
        /// Only jobs in this state.
        #[arg(long)]
        state: Option<JobState>,
        /// The maximum number of jobs to list.
        #[arg(long, default_value_t = 100)]
        limit: i64,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show all of one job.
    Show {
        /// The job's id.
        id: Uuid,
    },
    /// Cancel a job before its next step; completed steps stay.
    Cancel {
        /// The job's id.
        id: Uuid,
    },
    /// Find jobs whose message the broker has lost, and send it again, or end those that cannot be sent again.
    Mend(MendOptions),
    /// Retry the parked step of a failed job.
    Retry {
        /// The job's id.
        id: Uuid,
        /// The operator; kept in the audit trail.
        #[arg(long, env = "USER", hide_env_values = true)]
        by: String,
        /// The reason; kept in the audit trail.
        #[arg(long, default_value = "")]
        note: String,
    },
}

impl<S: Store> Service<S> {
    /// Handles these jobs.
    pub fn jobs(mut self, jobs: Jobs<S::Tx>) -> Self
    where
        S: JobRecords,
        S::Tx: JobSteps,
    {
        let limits = jobs.limits();
        self.jobs = Some(jobs);
        self.job_desk = Some(|store, service, command| Box::pin(desk(store, service, command)));
        self.job_mender = Some(|store, service, options, waiting| Box::pin(mend(store, service, options, waiting)));
        let limited = self.provider(move |settings, errors, context| {
            let Some(section) = settings.expect::<BTreeMap<String, u32>>("jobs", errors) else { return };
            match limits.changed_by(&section) {
                Ok(limits) => context.put(limits),
                Err(wrong) => errors.extend(wrong),
            }
        });
        limited.background("waiting jobs", |app, stop| admit_those_who_wait(app.store, app.service, stop))
    }

    pub(super) async fn jobs_command(mut self, command: JobsCommand, settings: Settings) -> Exit {
        let Some(desk) = self.job_desk else { return Exit::failed(2, "this service has no jobs") };
        let parts = match self.checked(settings.clone()) {
            Ok(parts) => parts,
            Err(exit) => return exit,
        };
        if let JobsCommand::Mend(options) = command {
            return self.mend_command(options, &settings).await;
        }
        desk(parts.store, parts.service, command).await.unwrap_or_else(|error| Exit::failed(1, error))
    }

    async fn mend_command(self, options: MendOptions, settings: &Settings) -> Exit {
        match self.mend_jobs(settings, options).await {
            Ok(lost) => {
                lost.iter().for_each(|job| println!("{}", Line(job)));
                println!("{} lost jobs{}", lost.len(), if options.dry_run { ", nothing changed" } else { "" });
                Exit::well()
            }
            Err(MendError::Settings(error)) => Exit::failed(WRONG_SETTINGS, error),
            Err(error) => Exit::failed(1, error),
        }
    }
}

async fn desk<S: JobRecords>(store: S, service: Arc<ServiceContext>, command: JobsCommand) -> Result<Exit, Failure>
where
    S::Tx: JobSteps,
{
    match command {
        JobsCommand::List { name, state, limit, json } => {
            let jobs = store.list_jobs(name.as_deref(), state, limit).await?;
            if json {
                println!("{}", serde_json::json!(jobs.iter().map(as_json).collect::<Vec<_>>()));
            } else if jobs.is_empty() {
                println!("no jobs");
            } else {
                jobs.iter().for_each(|job| println!("{}", line(job)));
            }
        }
        JobsCommand::Show { id } => {
            let Some(job) = store.find_job(id).await? else {
                return Ok(Exit::failed(1, format!("there is no job {id}: jobs are deleted 14 days after their end")));
            };
            println!("{}", whole(&job));
        }
        JobsCommand::Cancel { id } => {
            let mut tx = store.begin(&service, &[]).await?;
            if !tx.cancel_job(id).await? {
                tx.rollback().await;
                return Ok(Exit::failed(1, format!("job {id} has ended, or does not exist")));
            }
            tx.commit().await?;
            println!("{id} stops before its next step");
        }
        // It needs the broker as well, and was handled before.
        JobsCommand::Mend(_) => {}
        JobsCommand::Retry { id, by, note } => {
            let signed = match Signed::try_new(&by, &note) {
                Ok(signed) => signed,
                Err(error) => return Ok(Exit::failed(2, error)),
            };
            if !store.retry_job(id, &signed).await? {
                return Ok(Exit::failed(
                    1,
                    format!("no step of job {id} is parked; if its message was lost, run `jobs mend`"),
                ));
            }
            println!("{id} will be retried");
        }
    }
    Ok(Exit::well())
}

fn line(job: &JobRecord) -> String {
    let key = job.key.as_deref().map(|key| format!("  key {key}")).unwrap_or_default();
    let error = job.error.as_deref().map(|error| format!("  {error}")).unwrap_or_default();
    let queued = job.queued_at.format("%Y-%m-%dT%H:%M:%SZ");
    format!("{}  {}  {}  {}  queued {queued}{key}{error}", job.id, job.name, state(job), progress(job))
}

fn as_json(job: &JobRecord) -> serde_json::Value {
    serde_json::json!({
        "id": job.id,
        "name": job.name,
        "key": job.key,
        "state": job.state.as_str(),
        "is_to_stop": job.is_to_stop,
        "done": job.done,
        "total": job.total,
        "queued_at": job.queued_at,
        "started_at": job.started_at,
        "ended_at": job.ended_at,
        "error": job.error,
    })
}

fn whole(job: &JobRecord) -> String {
    let time = |at: Option<chrono::DateTime<chrono::Utc>>| at.map_or_else(|| "-".to_owned(), |at| at.to_string());
    format!(
        "job {}\nname {}\nkey {}\nstate {}\nprogress {}\nqueued {}\nstarted {}\nended {}\nerror {}",
        job.id,
        job.name,
        job.key.as_deref().unwrap_or("-"),
        state(job),
        progress(job),
        job.queued_at,
        time(job.started_at),
        time(job.ended_at),
        job.error.as_deref().unwrap_or("-"),
    )
}

fn state(job: &JobRecord) -> String {
    let is_over = matches!(job.state, JobState::Cancelled | JobState::Done | JobState::Failed);
    let stopping = if job.is_to_stop && !is_over { ", to stop" } else { "" };
    format!("{}{stopping}", job.state.as_str())
}

fn progress(job: &JobRecord) -> String {
    match (job.done, job.total) {
        (Some(done), Some(total)) => format!("{done}/{total}"),
        _ => "-".to_owned(),
    }
}
