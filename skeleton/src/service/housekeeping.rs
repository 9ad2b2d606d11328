//! Housekeeping: periodic tasks of a service besides messages and requests, on each replica.

use std::{fmt::Display, sync::Arc, time::Duration};

use futures::{
    FutureExt,
    future::{BoxFuture, Either, select},
};
use metrics::counter;
use uuid::Uuid;

use super::{App, Service};
use crate::{
    expiry::{clean_up, remove_expired},
    failure::StoreError,
    stop::Stop,
    store::Store,
    trouble::Trouble,
};

type Work<S> = Arc<dyn Fn(App<S>, Stop) -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// A service's housekeeping tasks.
pub struct Housekeeping<S> {
    tasks: Vec<Task<S>>,
}

/// The interval between two searches for expired entries of the skeleton.
const BETWEEN_CLEAN_UPS: Duration = Duration::from_secs(60);

/// One task and its period.
pub(super) struct Task<S> {
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
    /// Creates an empty set of tasks.
    pub fn new() -> Self {
        Self { tasks: Vec::new() }
    }

    /// Runs a task at the start and then after each period: `async fn(App<S>) -> Result<(), E>`. A failed run is counted
    /// (`housekeeping_runs_total`) and, if it is the first one in a row, logged; the next one follows after the same
    /// period. A run that panics is restarted by the service's supervision.
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
        let work: Work<S> = Arc::new(move |app, _| task(app).map(|ran| ran.map_err(|error| error.to_string())).boxed());
        self.tasks.push(Task { name, period, work });
        self
    }

    /// Removes expired rows, at the start and then after each period: `async fn(App<S>, i64) -> Result<u64,
    /// StoreError>` removes at most the given number of rows and returns how many. It is called until fewer are left,
    /// with a pause after each batch, so the removal keeps up with any rate at which rows expire.
    pub fn removes<Out>(
        mut self,
        period: Duration,
        kind: &'static str,
        remove: impl Fn(App<S>, i64) -> Out + Send + Sync + 'static,
    ) -> Self
    where
        Out: Future<Output = Result<u64, StoreError>> + Send + 'static,
    {
        let remove = Arc::new(remove);
        let work: Work<S> = Arc::new(move |app, stop| {
            let remove = remove.clone();
            async move {
                let removed = remove_expired(kind, &stop, |limit| remove(app.clone(), limit)).await;
                removed.map(drop).map_err(|error| error.to_string())
            }
            .boxed()
        });
        self.tasks.push(Task { name: kind, period, work });
        self
    }
}

impl<S: Store> Default for Housekeeping<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: Store> Service<S> {
    /// Runs these tasks periodically.
    pub fn housekeeping(self, housekeeping: Housekeeping<S>) -> Self {
        let with = |service: Self, task: Task<S>| {
            let name = task.name;
            service.background(name, move |app, stop| task.clone().repeat(app, stop))
        };
        housekeeping.tasks.into_iter().fold(self, with)
    }
}

impl<S: Store> Task<S> {
    /// Removes expired entries from the skeleton's own tables.
    pub(super) fn clean_up() -> Self {
        let holder: Arc<str> = Uuid::new_v4().to_string().into();
        let work: Work<S> = Arc::new(move |app, stop| {
            let holder = holder.clone();
            async move { clean_up(&app.store, &holder, &stop).await }.boxed()
        });
        Self { name: "clean-up", period: BETWEEN_CLEAN_UPS, work }
    }

    /// Runs it at once and then after each period, until the service stops.
    pub(super) async fn repeat(self, app: App<S>, stop: Stop) {
        let mut trouble = Trouble::of(self.name);
        while !stop.is_stopped() {
            let ran = (self.work)(app.clone(), stop.clone()).await;
            trouble.note(&ran);
            let outcome = if ran.is_ok() { "done" } else { "failed" };
            counter!("housekeeping_runs_total", "task" => self.name, "outcome" => outcome).increment(1);
            let stopped = std::pin::pin!(stop.stopped());
            if let Either::Left(_) = select(stopped, app.service.environment.sleep(self.period)).await {
                return;
            }
        }
    }
}
