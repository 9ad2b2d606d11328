//! The assembly of a service, and its life from start to drain.

#[macro_use]
mod output;
mod assembly;
mod build;
mod checks;
mod commands;
#[doc(hidden)]
pub mod compiled;
mod connections;
mod consuming;
mod contract;
mod exit;
mod housekeeping;
mod jobs;
mod mend_jobs;
mod partners;
mod past;
mod retiring;
mod running;
mod sagas;
mod schedules;
mod sections;
mod sequences;
mod start_error;
mod topology_command;
mod topology_watch;
mod waiting;

use std::{any::Any, sync::Arc, time::Duration};

use events::catalogue::{self, Package};

use crate::{
    config::{Settings, SettingsError},
    http::{HttpSettings, Routes},
    lease::{self, LeaseSettings},
    messaging::{
        delays::release_due,
        handlers::{RequestHandlers, Subscriptions},
        jobs::Jobs,
        rabbit::RabbitPublisher,
        relay::{Relay, RelayLimits},
        requests::Requests,
        topology::TopologySpec,
    },
    rebuild::Projections,
    stop::Stop,
    store::{Delays, Lease, Leases, Sagas, ServiceContext, Store, StoreBuilder},
};
use futures::future::BoxFuture;

pub use exit::Exit;
pub use housekeeping::Housekeeping;
pub use mend_jobs::{LostJob, MendError, MendOptions};
pub use past::{RebuildOptions, TaskError};
pub use running::Running;
use sections::Provider;
pub use sections::Sections;
pub use sequences::{Recovered, SequencesError};
pub use start_error::StartError;

type Opener<S> = Box<dyn Fn(&Settings) -> Result<S, SettingsError> + Send + Sync>;
type Relaying<S> = fn(S, Arc<RabbitPublisher>, RelayLimits, Stop) -> BoxFuture<'static, ()>;
type Delaying<S> = fn(S, Arc<ServiceContext>, Stop) -> BoxFuture<'static, ()>;
type PartnerProvider<S> = Box<dyn FnOnce(Option<&S>, &mut Settings, &mut Vec<String>, &mut ServiceContext) + Send>;
type Routing<S> = Box<dyn FnOnce(&App<S>) -> (Routes, Vec<(String, u64)>) + Send>;
type Background<S> = (&'static str, Box<dyn Fn(App<S>, Stop) -> BoxFuture<'static, ()> + Send>);

/// The context of the parts of a running service.
#[derive(Clone)]
pub struct App<S> {
    /// The store.
    pub store: S,
    /// The client for requests to other services.
    pub requests: Requests,
    /// The context shared with handlers.
    pub service: Arc<ServiceContext>,
}

impl<S> App<S> {
    /// A resource of the service, found by its type.
    pub fn resource<T: Any + Send + Sync>(&self) -> Arc<T> {
        self.service.get()
    }
}

/// A service, assembled and not yet started.
pub struct Service<S: Store> {
    name: &'static str,
    defaults: &'static str,
    opener: Option<Opener<S>>,
    relaying: Option<Relaying<S>>,
    delaying: Option<Delaying<S>>,
    sagas: Option<sagas::Commands<S>>,
    subscriptions: Subscriptions<S::Tx>,
    answers: RequestHandlers<S>,
    jobs: Option<Jobs<S::Tx>>,
    calls: Vec<String>,
    providers: Vec<Provider>,
    partners: Vec<PartnerProvider<S>>,
    routing: Option<Routing<S>>,
    background: Vec<Background<S>>,
    sequencing: Option<sequences::Raise<S>>,
    job_desk: Option<jobs::Desk<S>>,
    job_mender: Option<mend_jobs::Mender<S>>,
    schedule_list: Option<schedules::List<S>>,
    projections: Option<Projections<S>>,
}

impl<S: Store> Service<S> {
    /// Creates the service that owns these messages. Its name is one plain word, which also names its queues, its user
    /// and its settings' variables.
    pub fn of(messages: &'static Package) -> Self {
        catalogue::register(messages);
        Self::named(messages.service)
    }

    /// Creates a service without messages of its own.
    pub fn named(name: &'static str) -> Self {
        Self {
            name,
            defaults: "",
            opener: None,
            relaying: None,
            delaying: None,
            sagas: None,
            subscriptions: Subscriptions::new(),
            answers: RequestHandlers::new(),
            jobs: None,
            calls: Vec::new(),
            providers: Vec::new(),
            partners: Vec::new(),
            routing: None,
            background: Vec::new(),
            sequencing: None,
            job_desk: None,
            job_mender: None,
            schedule_list: None,
            projections: None,
        }
    }

    /// Sets the store, which also publishes committed messages.
    pub fn store(self, plan: impl StoreBuilder<Store = S>) -> Self
    where
        S: Delays,
    {
        Self {
            relaying: Some(|store, publisher, limits, stop| {
                let relay = Relay::new(store, publisher, limits.window).after_stop(limits.after_stop);
                Box::pin(relay.run(stop))
            }),
            sequencing: Some(|store, numbers, dry_run| {
                Box::pin(async move { store.raise_sequences(&numbers, dry_run).await })
            }),
            delaying: Some(|store, service, stop| Box::pin(release_due(store, service, stop))),
            ..self.read_model_store(plan)
        }
    }

    /// Adds sagas, which the command `saga` shows.
    pub fn sagas(self) -> Self
    where
        S: Sagas,
    {
        Self { sagas: Some(sagas::commands()), ..self }
    }

    /// Sets a store for a read model, which cannot publish.
    pub fn read_model_store(self, plan: impl StoreBuilder<Store = S>) -> Self {
        Self { opener: Some(Box::new(move |settings| plan.open(settings))), ..self }
    }

    /// Consumes these events.
    pub fn consumes(self, subscriptions: Subscriptions<S::Tx>) -> Self {
        Self { subscriptions, ..self }
    }

    /// Serves these requests to these callers. A further call may add other requests with other callers.
    pub fn answers(mut self, answers: RequestHandlers<S>, callers: &[&str]) -> Self {
        self.answers.add(answers, callers);
        self
    }

    /// Declares the services that this one calls.
    pub fn calls(self, services: &[&str]) -> Self {
        Self { calls: services.iter().map(|service| (*service).to_owned()).collect(), ..self }
    }

    /// Serves these routes on the public port. The body limits override the default for the given paths.
    pub fn routes(self, routes: impl FnOnce(&App<S>) -> Routes + Send + 'static, body_limits: &[(&str, u64)]) -> Self {
        let limits: Vec<_> = body_limits.iter().map(|(path, bytes)| ((*path).to_owned(), *bytes)).collect();
        Self { routing: Some(Box::new(move |app| (routes(app), limits))), ..self }
    }

    /// Runs a background task until the service stops. A task that panics, or returns before that, is restarted after a
    /// pause; while it fails repeatedly, the process is not ready. Logs and metrics use the name.
    pub fn background<Out>(mut self, name: &'static str, task: impl Fn(App<S>, Stop) -> Out + Send + 'static) -> Self
    where
        Out: Future<Output = ()> + Send + 'static,
    {
        self.background.push((name, Box::new(move |app, stop| Box::pin(task(app, stop)))));
        self
    }

    /// Runs a task on one replica at a time, and passes it the lease. The task makes its writes conditional on the
    /// lease with `tx.fence(&lease)`. It is stopped when the lease is lost, and restarted when it ends by itself.
    pub fn singleton<Out>(
        self,
        name: &'static str,
        task: impl Fn(App<S>, Lease, Stop) -> Out + Send + Sync + 'static,
    ) -> Self
    where
        S: Leases,
        Out: Future<Output = ()> + Send + 'static,
    {
        let task = Arc::new(task);
        self.provides("lease", |settings: LeaseSettings| Ok::<_, String>(settings)).background(
            name,
            move |app, stop| {
                let task = task.clone();
                async move {
                    let lasts = Duration::from_millis(app.resource::<LeaseSettings>().lasts_ms);
                    let (store, service) = (app.store.clone(), app.service.clone());
                    let task = move |lease, stop| task(app.clone(), lease, stop);
                    lease::singleton(name, &store, &service, lasts, task, stop).await;
                }
            },
        )
    }

    /// The service's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The text of its default settings.
    pub fn defaults(&self) -> &'static str {
        self.defaults
    }

    /// The messages that it exchanges over the broker, its events split into this number of partitions.
    pub fn topology_spec(&self, partitions: u32) -> TopologySpec {
        TopologySpec {
            service: self.name.to_owned(),
            events: self.subscriptions.bindings.clone(),
            partitions,
            jobs: self.jobs.iter().flat_map(|jobs| jobs.bindings.clone()).collect(),
            requests: self.answers.bindings.clone(),
            callers: self.answers.callers(),
            calls: self.calls.clone(),
            publishes: true,
        }
    }

    /// The errors in the service's assembly.
    fn errors(&self) -> Vec<String> {
        let orders = &self.subscriptions.orders;
        let mut errors = orders.errors();
        if orders.any_in_order() && !S::KEEPS_CURSORS {
            errors.push("this store cannot guarantee ordering: use `on_latest`".to_owned());
        }
        errors
    }

    /// Opens the store and creates the resources of handlers. All errors in the settings are added.
    fn provide(
        &mut self,
        settings: &mut Settings,
        errors: &mut Vec<String>,
        context: &mut ServiceContext,
    ) -> Option<S> {
        for provider in std::mem::take(&mut self.providers) {
            provider(settings, errors, context);
        }
        let store = self.open_store(settings).map_err(|error| errors.extend(error.errors)).ok();
        for partner in std::mem::take(&mut self.partners) {
            partner(store.as_ref(), settings, errors, context);
        }
        store
    }

    fn open_store(&self, settings: &Settings) -> Result<S, SettingsError> {
        let Some(opener) = self.opener.as_ref() else {
            let errors = vec!["the service has no store: call `.store(..)` in its assembly".to_owned()];
            return Err(SettingsError { service: self.name.to_owned(), errors });
        };
        opener(settings)
    }

    pub(crate) fn has_http(&self) -> bool {
        self.routing.is_some()
    }
}

/// The settings every service has, read and checked.
struct CommonSettings {
    broker: crate::config::BrokerSettings,
    retry: crate::config::RetrySettings,
    retry_events: crate::config::RetryOverrides,
    retry_jobs: crate::config::RetryOverrides,
    requests: crate::config::RequestSettings,
    admin: crate::config::AdminSettings,
    life: crate::config::LifeSettings,
    http: Option<HttpSettings>,
}

impl CommonSettings {
    /// After the stop, the relay has a quarter of the drain, and as long again for a window in progress: the connections
    /// need some of the rest.
    fn relay_limits(&self) -> RelayLimits {
        RelayLimits { window: self.broker.window, after_stop: Duration::from_millis(self.life.drain_ms / 4) }
    }

    /// Reads every section; all errors are added, not only the first.
    fn read(settings: &mut Settings, has_http: bool, errors: &mut Vec<String>) -> Option<Self> {
        let broker = settings.expect("broker", errors);
        let retry = settings.expect("retry", errors);
        let (retry_events, retry_jobs) =
            (settings.expect("retry_events", errors), settings.expect("retry_jobs", errors));
        let requests = settings.expect("requests", errors);
        let admin = settings.expect("admin", errors);
        let life = settings.expect("life", errors);
        settings.expect::<crate::config::LogSettings>("log", errors);
        let http = if has_http { Some(settings.expect("http", errors)?) } else { None };
        Some(Self {
            broker: broker?,
            retry: retry?,
            retry_events: retry_events?,
            retry_jobs: retry_jobs?,
            requests: requests?,
            admin: admin?,
            life: life?,
            http,
        })
    }
}

fn errors_of(settings: &Settings, errors: Vec<String>) -> Result<(), SettingsError> {
    if errors.is_empty() {
        return Ok(());
    }
    Err(SettingsError { service: settings.service().to_owned(), errors })
}
