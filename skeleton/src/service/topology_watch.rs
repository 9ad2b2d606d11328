//! Watches that the service's queues, and the histories that it reads or writes, exist. A deleted history is not noticed
//! otherwise: the service's events still reach the queues of its consumers, so the broker confirms them.

use std::{sync::Arc, time::Duration};

use metrics::gauge;
use tokio::sync::watch;
use tracing::{info, warn};

use crate::{http::admin::Finding, messaging::rabbit::Link, messaging::rabbit::waiting_in, stop::Stop};

/// The interval between two checks.
const BETWEEN: Duration = Duration::from_secs(60);

/// The queues and histories of a service, and where missing ones are shown.
pub(super) struct TopologyWatch {
    pub(super) service: String,
    pub(super) link: Link,
    pub(super) queues: Vec<String>,
    pub(super) finding: watch::Sender<Finding>,
}

impl TopologyWatch {
    /// Checks at the start and then every minute, until the service stops.
    pub(super) async fn run(self: Arc<Self>, stop: Stop) {
        let watching = async {
            let mut reported = Vec::new();
            loop {
                if let Some(missing) = self.missing(&reported).await {
                    self.show(&missing, &reported);
                    reported = missing;
                }
                tokio::time::sleep(BETWEEN).await;
            }
        };
        tokio::select! {
            () = stop.stopped() => {}
            () = watching => {}
        }
    }

    /// The queues that do not exist; for a queue without an answer, what was reported before. `None` if the broker does
    /// not respond, which other checks report.
    async fn missing(&self, reported: &[String]) -> Option<Vec<String>> {
        let (mut missing, mut has_answer) = (Vec::new(), false);
        for queue in &self.queues {
            // One queue without an answer must not hide the others.
            let is_missing = match waiting_in(&self.link, queue).await {
                Ok(waiting) => {
                    has_answer = true;
                    waiting.is_none()
                }
                Err(_) => reported.contains(queue),
            };
            missing.extend(is_missing.then(|| queue.clone()));
        }
        has_answer.then_some(missing)
    }

    fn show(&self, missing: &[String], reported: &[String]) {
        gauge!("topology_missing").set(missing.len() as f64);
        let names = missing.join(", ");
        if missing != reported && missing.is_empty() {
            info!("all queues and histories exist again");
        } else if missing != reported {
            warn!(missing = names, "queues or histories are missing: run `{} topology apply`", self.service);
        }
        let finding = if missing.is_empty() { Ok(()) } else { Err(format!("missing on the broker: {names}")) };
        drop(self.finding.send_replace(finding));
    }
}
