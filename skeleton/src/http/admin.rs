//! Endpoints for operators and orchestrators: startup, liveness, readiness and metrics.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use tokio::sync::watch;
use warp::http::StatusCode;
use warp::http::header::CONTENT_TYPE;
use warp::{Filter, Reply};

use super::{Response, Routes, group};

/// The health of this process.
#[derive(Debug, Default)]
pub struct Health {
    started: AtomicBool,
    draining: AtomicBool,
    checks: Mutex<BTreeMap<String, Check>>,
}

/// The last result of a check: `Ok`, or why it fails.
pub type Finding = Result<(), String>;

#[derive(Debug)]
struct Check {
    required: bool,
    finding: watch::Receiver<Finding>,
}

/// One check in a response.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CheckView {
    /// What is checked.
    pub name: String,
    /// Whether the check passes.
    pub ok: bool,
    /// Whether readiness depends on it.
    pub required: bool,
    /// Why it fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Whether this process is ready, as in a response.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReadyView {
    /// `ready`, `starting`, `draining` or `failing`.
    pub status: &'static str,
    /// All checks.
    pub checks: Vec<CheckView>,
}

impl Health {
    /// A process that has not started yet.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Marks the process as started.
    pub fn set_started(&self) {
        self.started.store(true, Ordering::Relaxed);
    }

    /// Marks the process as draining: it finishes its work and accepts no more.
    pub fn set_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Adds a check. It fails until its first finding is sent, and after its sender is dropped: that task ended
    /// unexpectedly.
    pub fn check(&self, name: &str, required: bool) -> watch::Sender<Finding> {
        let (sender, finding) = watch::channel(Err("not checked yet".to_owned()));
        let mut checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
        checks.insert(name.to_owned(), Check { required, finding });
        sender
    }

    /// Whether this process has started.
    pub fn is_started(&self) -> bool {
        self.started.load(Ordering::Relaxed)
    }

    /// Whether it is ready, and if not, why.
    pub fn ready(&self) -> ReadyView {
        let checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
        let checks: Vec<_> = checks.iter().map(|(name, check)| check.view(name)).collect();
        let status = if !self.is_started() {
            "starting"
        } else if self.draining.load(Ordering::Relaxed) {
            "draining"
        } else if checks.iter().any(|check| check.required && !check.ok) {
            "failing"
        } else {
            "ready"
        };
        ReadyView { status, checks }
    }
}

impl Check {
    fn view(&self, name: &str) -> CheckView {
        let finding = match self.finding.has_changed() {
            Ok(_) => self.finding.borrow().clone(),
            Err(_) => Err("the task that checks this has ended".to_owned()),
        };
        CheckView { name: name.to_owned(), ok: finding.is_ok(), required: self.required, reason: finding.err() }
    }
}

/// `/health/startup`, `/health/live`, `/health/ready` and `/metrics`, for a port that is not public.
pub fn routes(health: Arc<Health>, metrics: impl Fn() -> String + Clone + Send + Sync + 'static) -> Routes {
    let startup = Arc::clone(&health);
    let startup = warp::path!("health" / "startup").map(move || shown(startup.is_started(), &startup.ready()));
    // A response is enough. Dependencies are not checked: a restart would not repair them.
    let live = warp::path!("health" / "live").map(|| shown(true, &serde_json::json!({ "status": "live" })));
    let ready = warp::path!("health" / "ready").map(move || {
        let view = health.ready();
        shown(view.status == "ready", &view)
    });
    let metrics = warp::path!("metrics")
        .map(move || warp::reply::with_header(metrics(), CONTENT_TYPE, "text/plain; version=0.0.4").into_response());
    let found = startup.or(live).unify().or(ready).unify().or(metrics).unify();
    group(found.and(warp::get()))
}

fn shown(well: bool, body: &impl Serialize) -> Response {
    let status = if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    warp::reply::with_status(warp::reply::json(body), status).into_response()
}
