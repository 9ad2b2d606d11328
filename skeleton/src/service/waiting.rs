//! What a start waits for: the store, and the broker's answer to the login.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;
use tracing::warn;

use super::StartError;
use crate::{
    config::LifeSettings,
    failure::StoreError,
    http::admin::Health,
    messaging::rabbit::{BrokerError, Link},
    stop::Stop,
    store::Store,
};

/// How long the start waits for the outcome of the first attempt to connect to the broker.
const FIRST_ATTEMPT: Duration = Duration::from_secs(3);

/// How long a command waits for the broker.
const COMMAND_WAITS: Duration = Duration::from_secs(15);

const EMPTY: &str = "it has nothing of this service, and a dry run changes nothing. If the server was emptied or replaced, \
                     follow docs/backups.md before the service starts; if it is new, the first start prepares it";

/// Checks that the broker does not refuse the login. A broker that cannot be reached is not waited for.
pub(super) async fn accepted_by_broker(link: &Link) -> Result<(), StartError> {
    match tokio::time::timeout(FIRST_ATTEMPT, link.first_attempt()).await {
        Ok(Err(error)) if error.is_login_refused() => Err(StartError::Broker(error)),
        _ => Ok(()),
    }
}

/// Waits for the first attempt to connect, for a command: it cannot work without the broker.
pub(super) async fn connected(link: &Link) -> Result<(), BrokerError> {
    let attempt = tokio::time::timeout(COMMAND_WAITS, link.first_attempt()).await;
    attempt.unwrap_or(Err(BrokerError::Timeout(COMMAND_WAITS)))
}

/// Waits until the store responds, and migrates it.
pub(super) async fn store_ready<S: Store>(store: &S, life: &LifeSettings) -> Result<(), StartError> {
    wait_for(store, life).await?;
    store.migrate().await.map_err(StartError::Store)
}

/// Migrates the store for a command. A dry run changes nothing: it fails if the store has nothing of the service.
pub(super) async fn prepare_store<S: Store>(store: &S, dry_run: bool) -> Result<(), StoreError> {
    if !dry_run {
        return store.migrate().await;
    }
    let checked = store.check().await;
    checked.map_err(|error| if error.is_unmigrated() { StoreError::unavailable(EMPTY) } else { error })
}

/// Waits until the store responds, for `life.startup_timeout_s` at most.
async fn wait_for<S: Store>(store: &S, life: &LifeSettings) -> Result<(), StartError> {
    let deadline = Instant::now() + Duration::from_secs(life.startup_timeout_s);
    let (mut is_logged, mut refused_since) = (false, None);
    loop {
        let Err(error) = store.ping().await else { return Ok(()) };
        let now = Instant::now();
        refused_since = if error.is_refused() { refused_since.or(Some(now)) } else { None };
        // The server has responded: waiting does not change its answer any more.
        let is_final = refused_since.is_some_and(|since| now.duration_since(since) >= S::REFUSES_FOR);
        if is_final || now >= deadline {
            return Err(StartError::Store(error));
        }
        if !std::mem::replace(&mut is_logged, true) {
            if refused_since.is_some() {
                let seconds = S::REFUSES_FOR.as_secs();
                warn!(%error, seconds, "the store refuses the login; it may still be starting: waiting for it");
            } else {
                let seconds = life.startup_timeout_s;
                warn!(%error, seconds, "the store does not respond yet; waiting for it");
            }
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Marks the start as finished once all connections to the broker are up. Before that, a replica that receives no
/// messages would count as ready, and the one it replaces would stop.
pub(super) async fn start_is_over(health: Arc<Health>, links: Vec<Link>, stop: Stop) {
    let connected = async {
        for link in &links {
            link.up().await;
        }
        health.set_started();
        stop.stopped().await;
    };
    tokio::select! {
        () = connected => {}
        () = stop.stopped() => {}
    }
}
