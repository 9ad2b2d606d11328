//! Endpoints for operators and orchestrators: startup, liveness, readiness and metrics.

mod health;
mod view;

use std::sync::Arc;

use serde::Serialize;
use warp::http::StatusCode;
use warp::http::header::CONTENT_TYPE;
use warp::{Filter, Reply};

pub use self::health::{Finding, Health};
pub use self::view::{CheckView, ReadyView};
use super::{Response, Routes, group};

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
