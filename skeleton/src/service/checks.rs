//! Periodic checks: whether the store and the broker are available, and how many messages wait.

use std::{sync::Arc, time::Duration};

use metrics::gauge;
use tokio::sync::watch;

use crate::{
    http::admin::{Finding, Health},
    messaging::rabbit::Link,
    stop::Stop,
    store::{Counts, ServiceContext, Store},
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
    service: Arc<ServiceContext>,
    links: Vec<Link>,
    store_check: watch::Sender<Finding>,
    broker_check: watch::Sender<Finding>,
}

impl<S: Store> Checks<S> {
    pub(super) fn new(health: &Health, store: S, service: Arc<ServiceContext>, links: Vec<Link>) -> Self {
        Self {
            store,
            service,
            links,
            store_check: health.check("store", true),
            broker_check: health.check("broker", false),
        }
    }

    /// Checks the store and the broker, until the service stops.
    pub(super) async fn ask(self: Arc<Self>, stop: Stop) {
        while !stop.is_stopped() {
            let finding = match tokio::time::timeout(LIMIT, self.store.check()).await {
                Ok(answer) => {
                    match &answer {
                        Ok(()) => self.service.note_lost_store(false),
                        Err(error) if error.is_unmigrated() => self.service.note_lost_store(true),
                        // A store that does not respond may still be a lost one.
                        Err(_) => {}
                    }
                    answer.map_err(|error| error.to_string())
                }
                Err(_) => Err(format!("no answer within {} s", LIMIT.as_secs())),
            };
            drop(self.store_check.send_replace(finding));
            let down = self.links.iter().find(|link| !link.is_up());
            drop(self.broker_check.send_replace(down.map_or(Ok(()), |link| Err(link.why_down()))));
            telemetry::tidy_metrics();
            pause(&stop).await;
        }
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
