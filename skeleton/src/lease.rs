//! Singletons: a task that runs on one replica at a time, under a lease in the store.
//!
//! The lease is renewed at a third of its duration. A replica that cannot renew it stops the task before the lease
//! expires. A replica that was paused past its expiry is stopped by the fencing number: the task makes its writes
//! conditional on the lease with `tx.fence(&lease)`.

use std::{future::Future, panic::AssertUnwindSafe, time::Duration};

use futures::FutureExt;
use metrics::gauge;
use serde::Deserialize;
use tokio::{task::JoinHandle, time::Instant};
use tracing::{error, info, warn};

use crate::{
    config::range,
    stop::{self, Stop, StopSender},
    store::{Lease, Leases, ServiceContext},
    telemetry,
};

/// The section `lease` of the settings.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LeaseSettings {
    /// The duration of a lease that is not renewed, in milliseconds: how long a dead replica's task does not run.
    #[serde(default = "fifteen_seconds", deserialize_with = "range::at_least_1")]
    pub lasts_ms: u64,
}

fn fifteen_seconds() -> u64 {
    15_000
}

/// A running task, and how to stop it.
struct Task {
    lease: Lease,
    stop: StopSender,
    running: JoinHandle<()>,
}

/// Runs a task while this replica holds the lease of its name, until the service stops.
pub(crate) async fn singleton<S, F, Out>(
    name: &'static str,
    store: &S,
    service: &ServiceContext,
    lasts: Duration,
    task: F,
    stop: Stop,
) where
    S: Leases,
    F: Fn(Lease, Stop) -> Out,
    Out: Future<Output = ()> + Send + 'static,
{
    let holder = service.environment.new_id().to_string();
    let mut running: Option<Task> = None;
    let mut held_until = Instant::now();
    while !stop.is_stopped() {
        let asked_at = Instant::now();
        // No response in time counts as no lease: the rest of its duration is left for stopping the task.
        let claimed = tokio::time::timeout(lasts / 3, store.claim(name, &holder, lasts)).await;
        match claimed {
            Ok(Ok(Some(lease))) => {
                held_until = asked_at + lasts * 2 / 3;
                running = Some(keep_running(name, running.take(), lease, &task).await);
            }
            Ok(Ok(None)) => held_until = asked_at,
            Ok(Err(error)) => warn!(singleton = name, %error, "failed to claim the lease; retrying"),
            Err(_) => warn!(singleton = name, "claiming the lease timed out; retrying"),
        }
        if Instant::now() >= held_until
            && let Some(lost) = running.take()
        {
            warn!(singleton = name, fence = lost.lease.fence, "lost the lease; stopping the task");
            lost.end(name, lasts / 3).await;
        }
        tokio::select! {
            () = stop.stopped() => {}
            () = tokio::time::sleep(lasts / 3) => {}
        }
    }
    if let Some(task) = running {
        let lease = task.lease.clone();
        task.end(name, lasts / 3).await;
        if let Err(error) = store.release(&lease).await {
            warn!(singleton = name, %error, "failed to release the lease; it expires by itself");
        }
    }
}

/// Returns the task for this lease: the running one, or a new one if that has ended or belongs to another lease.
async fn keep_running<F, Out>(name: &'static str, there: Option<Task>, lease: Lease, task: &F) -> Task
where
    F: Fn(Lease, Stop) -> Out,
    Out: Future<Output = ()> + Send + 'static,
{
    match there {
        Some(running) if running.lease == lease && !running.running.is_finished() => return running,
        Some(old) => old.end(name, Duration::ZERO).await,
        None => {}
    }
    let (sender, stop) = stop::channel();
    info!(singleton = name, fence = lease.fence, "acquired the lease; starting the task");
    gauge!("singleton_running", "singleton" => name).set(1.0);
    let guarded = AssertUnwindSafe(task(lease.clone(), stop)).catch_unwind();
    let running = tokio::spawn(async move {
        if guarded.await.is_err() {
            error!(singleton = name, "a singleton has panicked; restarting it");
            telemetry::report_bug(&format!("the singleton {name} has panicked"));
        }
    });
    Task { lease, stop: sender, running }
}

impl Task {
    /// Signals the task to stop, and aborts it after a timeout.
    async fn end(mut self, name: &'static str, patience: Duration) {
        self.stop.stop();
        if tokio::time::timeout(patience, &mut self.running).await.is_err() {
            self.running.abort();
            // Wait until it has really ended: two instances must not run in one process.
            let _ = self.running.await;
        }
        gauge!("singleton_running", "singleton" => name).set(0.0);
    }
}
