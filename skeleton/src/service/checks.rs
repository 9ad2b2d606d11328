//! Periodic checks: whether the store and the broker are available, and how many messages wait.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use metrics::gauge;
use tokio::sync::watch;
use tracing::error;

use crate::{
    failure::StoreError,
    http::admin::{Finding, Health},
    messaging::rabbit::Link,
    stop::{Stop, StopSender},
    store::{Counts, Store},
    telemetry,
    trouble::Trouble,
};

/// The interval between two checks.
const BETWEEN_LOOKS: Duration = Duration::from_secs(3);

/// The time limit for the store's response.
const LIMIT: Duration = Duration::from_secs(5);

/// Checks the dependencies of the service.
pub(super) struct Checks<S> {
    store: S,
    links: Vec<Link>,
    /// Stop everything that uses the store.
    work: Vec<StopSender>,
    /// Whether the store was emptied or replaced since the start.
    is_lost: AtomicBool,
    store_check: watch::Sender<Finding>,
    broker_check: watch::Sender<Finding>,
}

impl<S: Store> Checks<S> {
    pub(super) fn new(health: &Health, store: S, links: Vec<Link>, work: Vec<StopSender>) -> Self {
        gauge!("store_lost").set(0.0);
        Self {
            store,
            links,
            work,
            is_lost: false.into(),
            store_check: health.check("store", true),
            broker_check: health.check("broker", false),
        }
    }

    /// Checks the store and the broker, until the service stops.
    pub(super) async fn ask(self: Arc<Self>, stop: Stop) {
        while !stop.is_stopped() {
            if !self.is_lost.load(Relaxed) {
                self.ask_store().await;
            }
            let down = self.links.iter().find(|link| !link.is_up());
            drop(self.broker_check.send_replace(down.map_or(Ok(()), |link| Err(link.why_down()))));
            telemetry::tidy_metrics();
            pause(&stop).await;
        }
    }

    /// Checks the store. If it was emptied or replaced since the start, all work stops, and readiness stays off: numbers
    /// would be used again, and effects would be lost in it. Only a start prepares a store.
    async fn ask_store(&self) {
        let answer = tokio::time::timeout(LIMIT, self.store.check()).await;
        let answer = answer
            .unwrap_or_else(|_| Err(StoreError::unavailable(format_args!("no answer within {} s", LIMIT.as_secs()))));
        if let Err(error) = &answer
            && error.is_unmigrated()
        {
            error!(%error, "the store is lost; stopping all work until the service is started again");
            gauge!("store_lost").set(1.0);
            self.is_lost.store(true, Relaxed);
            self.work.iter().for_each(StopSender::stop);
        }
        drop(self.store_check.send_replace(answer.map_err(|error| error.to_string())));
    }

    /// Counts waiting messages, until the service stops. This is separate from the check of the store: it takes longer,
    /// and competes with requests.
    pub(super) async fn count(self: Arc<Self>, stop: Stop) {
        let mut trouble = Trouble::of("counting waiting messages");
        while !stop.is_stopped() {
            let counted = self.store.counts().await;
            trouble.note(&counted);
            if let Ok(counts) = &counted {
                show(counts);
            }
            pause(&stop).await;
        }
    }
}

fn show(counts: &Counts) {
    gauge!("outbox_messages").set(counts.outbox as f64);
    gauge!("outbox_oldest_age_seconds").set(counts.outbox_age_seconds);
    gauge!("messages_waiting").set(counts.waiting as f64);
    gauge!("messages_behind").set(counts.behind as f64);
    gauge!("messages_parked").set(counts.parked as f64);
}

async fn pause(stop: &Stop) {
    tokio::select! {
        () = stop.stopped() => {}
        () = tokio::time::sleep(BETWEEN_LOOKS) => {}
    }
}
