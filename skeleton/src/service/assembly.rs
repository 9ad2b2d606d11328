//! The common base of the service and of its one-off commands: checked settings and an open store.

use std::{sync::Arc, time::Duration};

use super::{CommonSettings, Exit, Service, StartError, errors_of, exit::WRONG_SETTINGS};
use crate::{
    config::{BrokerSettings, Settings},
    environment::Environment,
    failure::StoreError,
    messaging::{
        consumer::Queue,
        handlers::{ByName, Subscriptions},
        jobs::Jobs,
        order::Orders,
        rabbit::{Link, Login, RabbitPublisher},
        requests::Requests,
    },
    stop::Stop,
    store::{ServiceContext, Store},
};

/// A service with checked settings and an open store; nothing is connected yet.
pub(super) struct Assembled<S> {
    pub common: CommonSettings,
    pub store: S,
    pub login: Login,
    pub service: Arc<ServiceContext>,
}

/// The queues that a service consumes.
pub(super) struct Queues<S: Store> {
    /// Events, if it subscribes to any.
    pub events: Option<Queue<S>>,
    /// Jobs, if it has any.
    pub jobs: Option<Queue<S>>,
    /// Messages that the broker has dead-lettered.
    pub dead: Queue<S>,
}

impl<S: Store> Service<S> {
    /// Checks all settings and opens the store, for a command.
    pub(super) fn checked(&mut self, settings: Settings) -> Result<Assembled<S>, Exit> {
        self.assemble(settings, &Environment::system()).map_err(|error| Exit::failed(WRONG_SETTINGS, error))
    }

    /// Checks all settings and opens the store.
    pub(super) fn assemble(
        &mut self,
        mut settings: Settings,
        environment: &Environment,
    ) -> Result<Assembled<S>, StartError> {
        let mut errors = self.errors();
        let common = CommonSettings::read(&mut settings, self.has_http(), &mut errors);
        let mut context = ServiceContext::new(self.name, environment.clone());
        let _: Option<serde::de::IgnoredAny> = settings.expect("store", &mut errors);
        let store = self.provide(&mut settings, &mut errors, &mut context);
        let broker: Option<BrokerSettings> = settings.section("broker").ok();
        let login = broker.as_ref().map(|broker| Login::of_service(self.name, broker)).transpose();
        let login =
            login.map_err(|error| errors.extend(settings.unusable("broker", "url", error).errors)).ok().flatten();
        errors.extend(settings.unknown_sections());
        errors_of(&settings, errors)?;
        let (Some(common), Some(store), Some(login)) = (common, store, login) else {
            return Err(StartError::Store(StoreError::broken("the settings are incomplete")));
        };
        Ok(Assembled { common, store, login, service: Arc::new(context) })
    }
}

impl<S: Store> Assembled<S> {
    /// A connection to the broker for this purpose.
    pub fn link(&self, purpose: &str, stop: &Stop) -> Link {
        self.link_as(self.login.clone(), purpose, stop)
    }

    /// A connection to the broker that only sends messages.
    pub fn sending_link(&self, purpose: &str, stop: &Stop) -> Link {
        self.link_as(self.login.clone().for_sending(), purpose, stop)
    }

    fn link_as(&self, login: Login, purpose: &str, stop: &Stop) -> Link {
        let name = format!("{} {purpose}", self.service.name);
        Link::open(login, name, self.service.environment.clone(), stop.clone())
    }

    /// Publishes committed messages, and messages that bypass the outbox.
    pub fn publisher(&self, publishing: &Link) -> Arc<RabbitPublisher> {
        let publisher = Arc::new(self.another_publisher(publishing));
        self.service.sends_with(publisher.clone());
        publisher
    }

    /// The client for requests to these services, if any.
    pub fn requests(&self, calls: &[String], replies: &Link, publishing: &Link, stop: &Stop) -> Requests {
        let (name, environment) = (&self.service.name, self.service.environment.clone());
        let asking = Arc::new(self.another_publisher(publishing));
        let timeout = Duration::from_millis(self.common.requests.timeout_ms);
        if calls.is_empty() {
            return Requests::of_nobody(name, asking, timeout, environment);
        }
        Requests::start(name, replies.clone(), asking, timeout, environment, stop.clone())
    }

    fn another_publisher(&self, publishing: &Link) -> RabbitPublisher {
        RabbitPublisher::new(publishing.clone(), Duration::from_millis(self.common.broker.confirm_timeout_ms))
    }

    /// The queues that the service consumes.
    pub fn queues(&self, subscriptions: &Subscriptions<S::Tx>, jobs: Option<&Jobs<S::Tx>>) -> Queues<S> {
        Queues {
            events: (!subscriptions.bindings.is_empty()).then(|| self.events_queue(subscriptions)),
            jobs: jobs.map(|jobs| self.jobs_queue(jobs)),
            dead: self.dead_queue(subscriptions, jobs),
        }
    }

    /// The queue of the service's events.
    pub fn events_queue(&self, subscriptions: &Subscriptions<S::Tx>) -> Queue<S> {
        Queue {
            orders: subscriptions.orders.clone(),
            retry: self.common.retry.merged_with(&subscriptions.retry).merged_with(&self.common.retry_events),
            ..self.queue("events", subscriptions.handlers.clone())
        }
    }

    /// The queue of the service's jobs.
    pub fn jobs_queue(&self, jobs: &Jobs<S::Tx>) -> Queue<S> {
        let retry = self.common.retry.merged_with(&jobs.retry).merged_with(&self.common.retry_jobs);
        Queue { retry, ..self.queue("jobs", jobs.handlers.clone()) }
    }

    /// The dead queue: events and jobs that the broker dead-lettered.
    pub fn dead_queue(&self, subscriptions: &Subscriptions<S::Tx>, jobs: Option<&Jobs<S::Tx>>) -> Queue<S> {
        let mut handlers = subscriptions.handlers.clone();
        handlers.extend(jobs.into_iter().flat_map(|jobs| jobs.handlers.clone()));
        Queue { orders: subscriptions.orders.clone(), park_all: true, ..self.queue("dead", handlers) }
    }

    fn queue(&self, kind: &str, handlers: ByName<S::Tx>) -> Queue<S> {
        Queue {
            name: format!("{}.{kind}", self.service.name),
            store: self.store.clone(),
            handlers,
            orders: Orders::default(),
            retry: self.common.retry.clone(),
            service: self.service.clone(),
            park_all: false,
            serial: Arc::default(),
            progress: Arc::default(),
        }
    }
}
