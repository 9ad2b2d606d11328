//! A running service: the parts that `start` starts, and the order in which it stops.

use std::{
    future::Future,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::{
    FutureExt,
    future::{BoxFuture, OptionFuture},
};
use tokio::{net::TcpListener, task::JoinHandle, time::Instant};
use tracing::{info, warn};
use warp::Filter as _;

use super::{
    App, Background, Delaying, Relaying, Service, StartError,
    assembly::Assembled,
    build::build,
    checks::Checks,
    connections::Connections,
    housekeeping::Task,
    topology_watch::TopologyWatch,
    waiting::{accepted_by_broker, start_is_over, store_ready},
};
use crate::{
    config::Settings,
    environment::Environment,
    http::{
        self,
        admin::{self, Health},
    },
    messaging::{
        rabbit::{Link, RabbitPublisher},
        relay::RelayLimits,
        requests::{Server, serve},
        topology::{Topology, TopologySpec},
    },
    parked::pages,
    stop::{self, Stop, StopSender},
    store::Store,
    supervision::{Failing, supervised},
    telemetry,
};

/// A running service.
pub struct Running<S> {
    /// The context of its parts.
    pub app: App<S>,
    /// The address of its public port, if it has one.
    pub http_address: Option<SocketAddr>,
    /// The address of its admin port.
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
    failing: Failing,
    parts: Vec<JoinHandle<()>>,
}

impl Phase {
    fn new(name: &'static str, failing: &Failing) -> (Self, Stop) {
        let (sender, stop) = stop::channel();
        (Self { name, stop: sender, failing: failing.clone(), parts: Vec::new() }, stop)
    }

    /// Starts a part that is restarted, and counted, if it panics or ends too early.
    pub(super) fn supervise<Out>(&mut self, part: &'static str, stop: Stop, start: impl Fn() -> Out + Send + 'static)
    where
        Out: Future<Output = ()> + Send + 'static,
    {
        let failing = self.failing.clone();
        self.supervise_in(failing, part, stop, start);
    }

    /// Starts a service's own background tasks. While one is failing, the process is not ready: requests rely on what
    /// these tasks keep up to date, and messages cannot make them fail.
    fn run_background<S: Store>(&mut self, tasks: Vec<Background<S>>, health: &Health, app: &App<S>, stop: &Stop) {
        if tasks.is_empty() {
            return;
        }
        let failing = Failing::shown_by(health.check("background tasks", true));
        for (name, task) in tasks {
            let (app, stopping) = (app.clone(), stop.clone());
            self.supervise_in(failing.clone(), name, stop.clone(), move || task(app.clone(), stopping.clone()));
        }
    }

    /// Opens the admin port: health, metrics and the pages of set-aside messages.
    async fn open_admin_port<S: Store>(
        &mut self,
        service: &'static str,
        parts: &Assembled<S>,
        health: &Arc<Health>,
        stop: &Stop,
    ) -> Result<SocketAddr, StartError> {
        let (listener, address) = listen(parts.common.admin.address, "admin.address").await?;
        let pages = pages::routes(parts.store.clone(), service, &parts.common.admin.hosts);
        let routes = http::group(admin::routes(health.clone(), telemetry::metrics_text).or(pages).unify());
        let settings =
            http::HttpSettings { drain_ms: 500, ..Default::default() }.allow_body("/parked", pages::MAX_FORM);
        self.supervise("admin port", stop.clone(), serving(listener, address, routes, settings, stop));
        Ok(address)
    }

    /// Publishes the outbox.
    fn relay<S: Store>(
        &mut self,
        relaying: Relaying<S>,
        store: &S,
        publisher: &Arc<RabbitPublisher>,
        limits: RelayLimits,
        stop: &Stop,
    ) {
        let (store, publisher, stopping) = (store.clone(), publisher.clone(), stop.clone());
        self.supervise("relay", stop.clone(), move || {
            relaying(store.clone(), publisher.clone(), limits, stopping.clone())
        });
    }

    /// Moves delayed jobs to the outbox when they are due.
    fn release_delayed_jobs<S: Store>(&mut self, delaying: Delaying<S>, app: &App<S>, stop: &Stop) {
        let (store, service, stopping) = (app.store.clone(), app.service.clone(), stop.clone());
        self.supervise("delayed jobs", stop.clone(), move || {
            delaying(store.clone(), service.clone(), stopping.clone())
        });
    }

    /// Answers the requests of other services.
    fn answer_requests<S: Store>(&mut self, server: Server<S>, consuming: &Link, replying: &Link, stop: &Stop) {
        let (server, stopping) = (Arc::new(server), stop.clone());
        let (consuming, replying) = (consuming.clone(), replying.clone());
        self.supervise("requests server", stop.clone(), move || {
            serve(server.clone(), consuming.clone(), replying.clone(), stopping.clone())
        });
    }

    /// Removes what has expired.
    fn clean_up<S: Store>(&mut self, app: &App<S>, stop: &Stop) {
        let (clean_up, app, stopping) = (Task::clean_up(), app.clone(), stop.clone());
        self.supervise("clean-up", stop.clone(), move || clean_up.clone().repeat(app.clone(), stopping.clone()));
    }

    /// Watches the connections and the store, on which this work depends, and counts what waits.
    fn watch<S: Store>(
        &mut self,
        app: &App<S>,
        health: &Arc<Health>,
        links: Vec<Link>,
        work: Vec<StopSender>,
        stop: &Stop,
    ) {
        let (started, connected, stopping) = (health.clone(), links.clone(), stop.clone());
        self.supervise("start", stop.clone(), move || {
            start_is_over(started.clone(), connected.clone(), stopping.clone())
        });
        let checks = Arc::new(Checks::new(health, app.store.clone(), links, work));
        let (asking, stopping) = (checks.clone(), stop.clone());
        self.supervise("checks", stop.clone(), move || asking.clone().ask(stopping.clone()));
        let stopping = stop.clone();
        self.supervise("counts", stop.clone(), move || checks.clone().count(stopping.clone()));
    }

    /// Serves the service's routes on its public port.
    fn serve_routes(
        &mut self,
        (routes, body_limits): (http::Routes, Vec<(String, u64)>),
        (listener, address): (TcpListener, SocketAddr),
        mut settings: http::HttpSettings,
        stop: &Stop,
    ) {
        settings.body_limits.extend(body_limits);
        self.supervise("public port", stop.clone(), serving(listener, address, routes, settings, stop));
    }

    /// Watches that the queues and histories of the service exist.
    fn watch_topology(&mut self, spec: &TopologySpec, health: &Health, link: &Link, stop: &Stop) {
        let Topology { service, queues, .. } = spec.topology();
        let queues = queues.into_iter().map(|queue| queue.name).collect();
        let finding = health.check("topology", false);
        drop(finding.send_replace(Ok(())));
        let watch = Arc::new(TopologyWatch { service, link: link.clone(), queues, finding });
        let stopping = stop.clone();
        self.supervise("topology watch", stop.clone(), move || watch.clone().run(stopping.clone()));
    }

    /// Starts a part that is listed in `failing` while it fails.
    fn supervise_in<Out>(
        &mut self,
        failing: Failing,
        part: &'static str,
        stop: Stop,
        start: impl Fn() -> Out + Send + 'static,
    ) where
        Out: Future<Output = ()> + Send + 'static,
    {
        self.parts.push(tokio::spawn(supervised(part, failing, stop, start)));
    }
}

impl<S: Store> Service<S> {
    /// Starts the service: checks all settings, waits for the store, migrates it, and starts all parts.
    ///
    /// # Errors
    /// If settings are invalid, a port is taken, the store does not respond within `life.startup_timeout_s`, or the store or
    /// the broker refuses the login.
    pub async fn start(mut self, settings: Settings, environment: Environment) -> Result<Running<S>, StartError> {
        let parts = self.assemble(settings, &environment)?;
        self.warn_of_retirements();
        let topology_spec = self.topology_spec(parts.common.broker.partitions);
        let health = Health::new();
        // A message can make a consumer fail on every replica: that must not make all of them unready.
        let failing = Failing::shown_by(health.check("parts", false));

        let (mut last, last_stop) = Phase::new("admin and connections", &failing);
        let admin_address = last.open_admin_port(self.name, &parts, &health, &last_stop).await?;
        let public = parts.common.http.as_ref().map(|http| listen(http.address, "http.address"));
        let http_listener = OptionFuture::from(public).await.transpose()?;
        let http_address = http_listener.as_ref().map(|(_, address)| *address);

        Box::pin(store_ready(&parts.store, &parts.common.life)).await?;

        let exchanges_requests = !self.calls.is_empty() || !self.answers.bindings.is_empty();
        let links = Connections::open(&parts, exchanges_requests, &last_stop);
        Box::pin(accepted_by_broker(&links.consuming)).await?;
        let publisher = parts.publisher(&links.publishing);
        let requests = parts.requests(&self.calls, &links.consuming, links.asking(), &last_stop);
        let queues = parts.queues(&self.subscriptions, self.jobs.as_ref());
        let Assembled { common, store, service, .. } = parts;
        let app = App { store: store.clone(), requests, service: service.clone() };

        let (mut sending, sending_stop) = Phase::new("relay", &failing);
        if let Some(relaying) = self.relaying {
            sending.relay(relaying, &store, &publisher, common.relay_limits(), &sending_stop);
        }

        let (mut doors, doors_stop) = Phase::new("doors", &failing);
        if let Some(delaying) = self.delaying.filter(|_| self.jobs.is_some()) {
            doors.release_delayed_jobs(delaying, &app, &doors_stop);
        }
        if let (Some(routing), Some(listening), Some(http)) = (self.routing.take(), http_listener, common.http.clone())
        {
            doors.serve_routes(routing(&app), listening, http, &doors_stop);
        }
        doors.run_background(std::mem::take(&mut self.background), &health, &app, &doors_stop);
        doors.consume_queues(queues, &links.consuming, &common.broker, &doors_stop);
        if !self.answers.bindings.is_empty() {
            let server = Server::new(service.clone(), store.clone(), self.answers, common.requests.clone());
            doors.answer_requests(server, &links.consuming, links.asking(), &doors_stop);
        }
        doors.clean_up(&app, &doors_stop);
        last.watch_topology(&topology_spec, &health, &links.consuming, &last_stop);
        last.watch(&app, &health, links.all(), vec![doors.stop.clone(), sending.stop.clone()], &last_stop);

        info!(service = self.name, admin = %admin_address, http = http_address.map(tracing::field::display), build = build(), "started");
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
    /// The health of the process.
    pub fn health(&self) -> &Arc<Health> {
        &self.health
    }

    /// Stops in order: readiness goes off, no more work is accepted, work in progress is finished, committed messages
    /// are sent, and the connections are closed. Returns false if that was not done within the time limit.
    pub async fn stop(self) -> bool {
        self.health.set_draining();
        self.give_notice().await;
        let deadline = Instant::now() + self.drain;
        let mut clean = true;
        for phase in self.phases {
            phase.stop.stop();
            for mut part in phase.parts {
                if tokio::time::timeout_at(deadline, &mut part).await.is_err() {
                    warn!(phase = phase.name, "not finished in time; aborting");
                    part.abort();
                    clean = false;
                }
            }
        }
        info!(clean, "stopped");
        clean
    }

    /// Leaves the public port open until load balancers notice that readiness is off. The broker needs no notice: it
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

/// Serves over this listener; after a restart, over a new one on the same address.
fn serving(
    listener: TcpListener,
    address: SocketAddr,
    routes: http::Routes,
    settings: http::HttpSettings,
    stop: &Stop,
) -> impl Fn() -> BoxFuture<'static, ()> + Send + 'static {
    let (first, stop) = (Mutex::new(Some(listener)), stop.clone());
    move || {
        let listener = first.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (routes, settings, stop) = (routes.clone(), settings.clone(), stop.clone());
        async move {
            let listening = match listener {
                Some(listener) => Ok(listener),
                None => TcpListener::bind(address).await,
            };
            match listening {
                Ok(listener) => drop(http::serve(listener, routes, settings, stop).await),
                Err(error) => warn!(%address, %error, "failed to listen on the port again"),
            }
        }
        .boxed()
    }
}

async fn listen(address: SocketAddr, setting: &'static str) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |error| StartError::Port { address, setting, error };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}
