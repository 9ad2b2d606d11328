//! A running service: what `start` starts, and the order in which it stops.

use std::{future::Future, net::SocketAddr, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::FutureExt;
use metrics::{counter, gauge};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle, time::Instant};
use tracing::{error, info, warn};
use warp::Filter as _;

use super::{App, Service, assembly::Assembled};
use crate::{
    config::{LifeSettings, Settings, SettingsError},
    failure::StoreError,
    http::{
        self,
        admin::{self, Health},
    },
    messaging::{
        rabbit::Link,
        requests::{Server, serve},
    },
    parked::pages,
    stop::{self, Stop, StopSender},
    store::{KEPT_DAYS, Store},
    surroundings::Surroundings,
    telemetry,
};

/// How long a part that has panicked rests before it is started again.
const REST_AFTER_PANIC: Duration = Duration::from_secs(1);

/// Why a service did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Settings are wrong.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The store cannot be used.
    #[error("the store cannot be used: {0}")]
    Store(StoreError),
    /// A port cannot be listened on.
    #[error("{address} cannot be listened on: {error}")]
    Port {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        error: std::io::Error,
    },
}

/// A service that runs.
pub struct Running<S> {
    /// What its parts work with.
    pub app: App<S>,
    /// Where its public port is, if it has one.
    pub http_address: Option<SocketAddr>,
    /// Where its admin port is.
    pub admin_address: SocketAddr,
    health: Arc<Health>,
    notice: Duration,
    drain: Duration,
    phases: Vec<Phase>,
}

/// Parts that stop together.
pub(super) struct Phase {
    name: &'static str,
    stop: StopSender,
    parts: Vec<JoinHandle<()>>,
}

impl Phase {
    fn new(name: &'static str) -> (Self, Stop) {
        let (sender, stop) = stop::channel();
        (Self { name, stop: sender, parts: Vec::new() }, stop)
    }

    /// Starts a part that is started again, and counted, should it panic.
    pub(super) fn supervise<Out>(&mut self, part: &'static str, stop: Stop, start: impl Fn() -> Out + Send + 'static)
    where
        Out: Future<Output = ()> + Send + 'static,
    {
        self.parts.push(tokio::spawn(supervised(part, stop, start)));
    }
}

/// Runs a part, and runs it again, and counts that, should it panic. In between it rests: what made it panic may still be
/// there.
pub(super) async fn supervised<Out: Future<Output = ()>>(part: &'static str, stop: Stop, start: impl Fn() -> Out) {
    while AssertUnwindSafe(start()).catch_unwind().await.is_err() && !stop.is_stopped() {
        counter!("parts_restarted_total", "part" => part).increment(1);
        error!(part, "a part of the service has panicked: it is started again");
        telemetry::report_bug(&format!("{part} has panicked"));
        tokio::select! {
            () = tokio::time::sleep(REST_AFTER_PANIC) => {}
            () = stop.stopped() => {}
        }
    }
}

impl<S: Store> Service<S> {
    /// Starts the service: checks all settings, waits for the store, brings it up to date, and opens the doors.
    ///
    /// # Errors
    /// Where settings are wrong, a port is taken, or the store did not answer within the stated patience.
    pub async fn start(mut self, settings: Settings, surroundings: Surroundings) -> Result<Running<S>, StartError> {
        let parts = self.assemble(settings, &surroundings)?;
        self.warn_of_retirements();
        let health = Health::new();

        let (mut last, last_stop) = Phase::new("admin and connections");
        let (admin_listener, admin_address) = listen(parts.common.admin.address).await?;
        let admin_routes = admin::routes(health.clone(), telemetry::metrics_text);
        let admin_routes = http::group(
            admin_routes.or(pages::routes(parts.store.clone(), self.name, &parts.common.admin.hosts)).unify(),
        );
        let admin_settings =
            http::HttpSettings { drain_ms: 500, ..Default::default() }.allow_body("/parked", pages::MAX_FORM);
        let admin = http::serve(admin_listener, admin_routes, admin_settings, last_stop.clone());
        last.parts.push(tokio::spawn(admin.map(drop)));
        let http_listener = match &parts.common.http {
            Some(http) => Some(listen(http.address).await?),
            None => None,
        };
        let http_address = http_listener.as_ref().map(|(_, address)| *address);

        Box::pin(wait_for(&parts.store, &parts.common.life)).await?;
        Box::pin(parts.store.migrate()).await.map_err(StartError::Store)?;

        let (publishing, consuming) =
            (parts.sending_link("publishing", &last_stop), parts.link("consuming", &last_stop));
        let publisher = parts.publisher(&publishing);
        let requests = parts.requests(&self.asks, &consuming, &publishing, &last_stop);
        let events = parts.events_queue(&self.subscriptions);
        let jobs = self.jobs.as_ref().map(|jobs| parts.jobs_queue(jobs));
        let dead = parts.dead_queue(&self.subscriptions, self.jobs.as_ref());
        let Assembled { common, store, service, .. } = parts;
        let app = App { store: store.clone(), requests, service: service.clone() };

        let (mut sending, sending_stop) = Phase::new("relay");
        if let Some(relaying) = self.relaying {
            let (store, publisher, window, stop) =
                (store.clone(), publisher.clone(), common.broker.window, sending_stop.clone());
            sending.supervise("relay", sending_stop, move || {
                relaying(store.clone(), publisher.clone(), window, stop.clone())
            });
        }

        let (mut doors, doors_stop) = Phase::new("doors");
        if let Some(delaying) = self.delaying.filter(|_| self.jobs.is_some()) {
            let (store, service, stop) = (store.clone(), service.clone(), doors_stop.clone());
            doors.supervise("delayed jobs", doors_stop.clone(), move || {
                delaying(store.clone(), service.clone(), stop.clone())
            });
        }
        if let (Some(routing), Some((listener, _)), Some(mut http)) =
            (self.routing.take(), http_listener, common.http.clone())
        {
            let (routes, body_limits) = routing(&app);
            http.body_limits.extend(body_limits);
            let serving = http::serve(listener, routes, http, doors_stop.clone());
            doors.parts.push(tokio::spawn(serving.map(drop)));
        }
        for task in std::mem::take(&mut self.background) {
            doors.parts.push(tokio::spawn(task(app.clone(), doors_stop.clone())));
        }
        if !self.subscriptions.bindings.is_empty() {
            doors.consume_events(Arc::new(events), &consuming, &common.broker, &doors_stop);
        }
        if let Some(jobs) = jobs {
            // One at a time: a step of a job may be long, and others are to have their turn.
            doors.consume("jobs consumer", Arc::new(jobs), &consuming, 1, 1, &doors_stop);
        }
        doors.consume("dead-letter consumer", Arc::new(dead), &consuming, 16, 1, &doors_stop);
        if !self.answers.bindings.is_empty() {
            let answers = std::mem::take(&mut self.answers);
            let server = Arc::new(Server::new(service.clone(), store.clone(), answers, common.requests.clone()));
            let (consuming, replying, stop) = (consuming.clone(), publishing.clone(), doors_stop.clone());
            doors.supervise("requests server", doors_stop.clone(), move || {
                serve(server.clone(), consuming.clone(), replying.clone(), stop.clone())
            });
        }
        last.parts.push(tokio::spawn(start_is_over(
            health.clone(),
            [publishing.clone(), consuming.clone()],
            last_stop.clone(),
        )));
        let checks = Checks {
            store,
            publishing,
            consuming,
            store_check: health.check("store", true),
            broker_check: health.check("broker", false),
        };
        last.parts.push(tokio::spawn(checks.run(last_stop)));

        info!(service = self.name, admin = %admin_address, http = http_address.map(tracing::field::display), "started");
        let phases = vec![doors, sending, last];
        Ok(Running {
            app,
            http_address,
            admin_address,
            health,
            notice: Duration::from_millis(common.life.notice_ms),
            drain: Duration::from_millis(common.life.drain_ms),
            phases,
        })
    }
}

impl<S> Running<S> {
    /// What is known of its health.
    pub fn health(&self) -> &Arc<Health> {
        &self.health
    }

    /// Stops in order: readiness goes off, no more work comes in, what is in hand is finished, what was committed is
    /// sent, and the connections are closed. Returns false where that was not done within the stated time.
    pub async fn stop(self) -> bool {
        self.health.set_draining();
        self.give_notice().await;
        let deadline = Instant::now() + self.drain;
        let mut clean = true;
        for phase in self.phases {
            phase.stop.stop();
            for mut part in phase.parts {
                if tokio::time::timeout_at(deadline, &mut part).await.is_err() {
                    warn!(phase = phase.name, "not finished in time: cut off");
                    part.abort();
                    clean = false;
                }
            }
        }
        info!(clean, "stopped");
        clean
    }

    /// Leaves the public port open until balancers have heard that readiness is off. The broker needs no notice: it
    /// knows its consumers.
    async fn give_notice(&self) {
        if self.http_address.is_none() || self.notice.is_zero() {
            return;
        }
        self.phases.iter().for_each(|phase| phase.stop.announce());
        info!(notice_ms = self.notice.as_millis() as u64, "stopping: the public port closes after the notice");
        tokio::time::sleep(self.notice).await;
    }
}

/// Says that the start is over once both connections to the broker are up: before that, a replica would count as ready
/// that takes no messages, and the one it replaces would go.
async fn start_is_over(health: Arc<Health>, links: [Link; 2], stop: Stop) {
    let connected = async {
        for link in &links {
            link.up().await;
        }
        health.set_started();
    };
    tokio::select! {
        () = connected => {}
        () = stop.stopped() => {}
    }
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let listener = TcpListener::bind(address).await.map_err(|error| StartError::Port { address, error })?;
    let address = listener.local_addr().map_err(|error| StartError::Port { address, error })?;
    Ok((listener, address))
}

/// Waits until the store answers, as long as the patience goes.
async fn wait_for<S: Store>(store: &S, life: &LifeSettings) -> Result<(), StartError> {
    let deadline = Instant::now() + Duration::from_secs(life.patience_s);
    let mut told = false;
    loop {
        let Err(error) = store.ping().await else { return Ok(()) };
        if Instant::now() >= deadline {
            return Err(StartError::Store(error));
        }
        if !std::mem::replace(&mut told, true) {
            warn!(%error, patience_s = life.patience_s, "the store does not answer yet: waiting for it");
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Looks after the service's surroundings every few seconds.
struct Checks<S> {
    store: S,
    publishing: Link,
    consuming: Link,
    store_check: watch::Sender<Result<(), String>>,
    broker_check: watch::Sender<Result<(), String>>,
}

impl<S: Store> Checks<S> {
    async fn run(self, stop: Stop) {
        let mut cleaned = Instant::now();
        while !stop.is_stopped() {
            let asked = tokio::time::timeout(Duration::from_secs(5), self.store.counts()).await;
            let finding = match asked {
                Ok(Ok(counts)) => {
                    gauge!("outbox_messages").set(counts.outbox as f64);
                    gauge!("outbox_oldest_age_seconds").set(counts.outbox_age_seconds);
                    gauge!("messages_waiting").set(counts.waiting as f64);
                    gauge!("messages_behind").set(counts.behind as f64);
                    gauge!("messages_parked").set(counts.parked as f64);
                    Ok(())
                }
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err("no answer within 5 s".to_owned()),
            };
            drop(self.store_check.send_replace(finding));
            let connected = self.publishing.is_up() && self.consuming.is_up();
            drop(self.broker_check.send_replace(if connected { Ok(()) } else { Err("not connected".to_owned()) }));
            telemetry::tidy_metrics();
            if cleaned.elapsed() > Duration::from_secs(600) {
                cleaned = Instant::now();
                if let Err(error) = self.store.clean_up().await {
                    warn!(%error, "old inbox entries cannot be removed: trying again in ten minutes");
                }
                let kept_since = chrono::Utc::now() - chrono::Duration::days(KEPT_DAYS);
                if let Err(error) = self.store.forget_decisions(kept_since).await {
                    warn!(%error, "old decisions cannot be removed: trying again in ten minutes");
                }
            }
            tokio::select! {
                () = stop.stopped() => {}
                () = tokio::time::sleep(Duration::from_secs(3)) => {}
            }
        }
    }
}
