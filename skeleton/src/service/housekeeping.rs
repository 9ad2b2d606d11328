//! Housekeeping: what a service does from time to time beside all messages and requests, on each replica.

use std::{fmt::Display, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::{
    FutureExt,
    future::{BoxFuture, Either, select},
};
use metrics::counter;
use tracing::{error, warn};

use super::{App, Service};
use crate::{stop::Stop, store::Store, telemetry};

type Work<S> = Arc<dyn Fn(App<S>) -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// A service's housekeeping tasks.
pub struct Housekeeping<S> {
    tasks: Vec<Task<S>>,
}

/// One task, and how often it runs.
struct Task<S> {
    name: &'static str,
    period: Duration,
    work: Work<S>,
}

impl<S> Clone for Task<S> {
    fn clone(&self) -> Self {
        Self { name: self.name, period: self.period, work: self.work.clone() }
    }
}

impl<S: Store> Housekeeping<S> {
    /// No tasks yet.
    pub fn new() -> Self {
        Self { tasks: Vec::new() }
    }

    /// Runs a task at the start and then after each period: `async fn(App<S>) -> Result<(), E>`. A run that fails or
    /// panics is logged and counted (`housekeeping_runs_total`), and the next one comes after the same period.
    pub fn every<Out, E>(
        mut self,
        period: Duration,
        name: &'static str,
        task: impl Fn(App<S>) -> Out + Send + Sync + 'static,
    ) -> Self
    where
        Out: Future<Output = Result<(), E>> + Send + 'static,
        E: Display,
    {
        let work: Work<S> = Arc::new(move |app| task(app).map(|ran| ran.map_err(|error| error.to_string())).boxed());
        self.tasks.push(Task { name, period, work });
        self
    }
}

impl<S: Store> Default for Housekeeping<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: Store> Service<S> {
    /// Runs these tasks from time to time.
    pub fn housekeeping(self, housekeeping: Housekeeping<S>) -> Self {
        let with = |service: Self, task: Task<S>| service.background(move |app, stop| task.clone().repeat(app, stop));
        housekeeping.tasks.into_iter().fold(self, with)
    }
}

impl<S: Store> Task<S> {
    async fn repeat(self, app: App<S>, stop: Stop) {
        while !stop.is_stopped() {
            let outcome = self.run(app.clone()).await;
            counter!("housekeeping_runs_total", "task" => self.name, "outcome" => outcome).increment(1);
            let stopped = std::pin::pin!(stop.stopped());
            if let Either::Left(_) = select(stopped, app.service.surroundings.sleep(self.period)).await {
                return;
            }
        }
    }

    async fn run(&self, app: App<S>) -> &'static str {
        // A task may panic before its first await, too.
        match AssertUnwindSafe(async { (self.work)(app).await }).catch_unwind().await {
            Ok(Ok(())) => "done",
            Ok(Err(error)) => {
                warn!(task = self.name, %error, "housekeeping failed; retrying after the period");
                "failed"
            }
            Err(_) => {
                error!(task = self.name, "housekeeping panicked; retrying after the period");
                telemetry::report_bug(&format!("housekeeping {} has panicked", self.name));
                "panicked"
            }
        }
    }
}
