//! Singletons: a task that runs on one replica at a time, under a lease in the store.
//!
//! The lease is renewed at a third of its duration. A replica that cannot renew it stops the task before the lease
//! expires. A replica that was paused past its expiry is stopped by the fencing number: the task makes its writes
//! conditional on the lease with `tx.fence(&lease)`.

use std::{any::Any, future::Future, panic, time::Duration};

use metrics::gauge;
use serde::Deserialize;
use tokio::{task::JoinHandle, time::Instant};
use tracing::{info, warn};

use crate::{
    config::range,
    stop::{self, Stop, StopSender},
    store::{Lease, Leases, ServiceContext},
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
                if let Some(panic) = panic_of(&mut running).await {
                    // The supervision counts it, and restarts the singleton after a pause; meanwhile, another replica may.
                    gauge!("singleton_running", "singleton" => name).set(0.0);
                    release(name, store, &lease).await;
                    panic::resume_unwind(panic);
                }
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
        release(name, store, &lease).await;
    }
}

async fn release<S: Leases>(name: &'static str, store: &S, lease: &Lease) {
    if let Err(error) = store.release(lease).await {
        warn!(singleton = name, %error, "failed to release the lease; it expires by itself");
    }
}

/// The panic that ended the running task, if one did. A task that has ended in any way is no longer there afterwards.
async fn panic_of(running: &mut Option<Task>) -> Option<Box<dyn Any + Send>> {
    let ended = running.take_if(|task| task.running.is_finished())?;
    ended.running.await.err()?.try_into_panic().ok()
}

/// Returns the task for this lease: the running one, or a new one if that has ended or belongs to another lease.
async fn keep_running<F, Out>(name: &'static str, there: Option<Task>, lease: Lease, task: &F) -> Task
where
    F: Fn(Lease, Stop) -> Out,
    Out: Future<Output = ()> + Send + 'static,
{
    match there {
        Some(running) if running.lease == lease => return running,
        Some(old) => old.end(name, Duration::ZERO).await,
        None => {}
    }
    let (sender, stop) = stop::channel();
    info!(singleton = name, fence = lease.fence, "acquired the lease; starting the task");
    gauge!("singleton_running", "singleton" => name).set(1.0);
    let running = tokio::spawn(task(lease.clone(), stop));
    Task { lease, stop: sender, running }
}

impl Task {
    /// Signals the task to stop, and aborts it after a timeout.
    async fn end(mut self, name: &'static str, limit: Duration) {
        self.stop.stop();
        if tokio::time::timeout(limit, &mut self.running).await.is_err() {
            self.running.abort();
            // Wait until it has really ended: two instances must not run in one process.
            let _ = self.running.await;
        }
        gauge!("singleton_running", "singleton" => name).set(0.0);
    }
}
