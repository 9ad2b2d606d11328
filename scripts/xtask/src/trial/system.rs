//! The seven services as processes.

use anyhow::Result;

use super::{Counting, TALLY, processes};
use crate::native;

/// All services of a trial, those first that others need.
pub const SERVICES: [&str; 7] = ["accounts", "contacts", TALLY, "network", "search", "notifications", "gateway"];

/// The six services that `deploy/native` runs, and the tally beside them.
pub struct System {
    settings: Vec<(String, String)>,
    counting: Counting,
}

impl System {
    /// Starts the tally; the six must be up. Each is started with these variables over its own settings from now on.
    pub async fn start(settings: Vec<(String, String)>) -> Result<Self> {
        let counting = Counting::start(&settings).await?;
        Ok(Self { settings, counting })
    }

    /// SIGKILL. Returns once it is gone.
    pub async fn kill(&mut self, service: &str) -> Result<()> {
        if service == TALLY { self.counting.kill().await } else { processes::kill(service).await }
    }

    /// Starts one that was killed, as a supervisor does.
    pub async fn start_again(&mut self, service: &str) -> Result<()> {
        if service == TALLY { self.counting.restart() } else { processes::start_service(service, &self.settings).await }
    }

    /// Lets it go on as if nothing had happened.
    pub async fn resume(&self, service: &str) -> Result<()> {
        processes::signal(&self.pid(service)?, "-CONT").await
    }

    /// Lets all go on and starts those that do not run.
    pub async fn mend(&mut self) -> Result<()> {
        for service in SERVICES {
            // One that is gone is started below.
            let _ = self.resume(service).await;
            self.start_again(service).await?;
        }
        Ok(())
    }

    /// The process of a service.
    pub fn pid(&self, service: &str) -> Result<String> {
        if service == TALLY { self.counting.process().pid() } else { processes::pid_of(service) }
    }

    /// Makes again what all of them need of the broker.
    pub async fn apply_topology(&self) -> Result<()> {
        native::run(native::script("services").arg("topology")).await?;
        self.counting.apply_topology().await
    }

    /// Ends the tally and leaves nothing of it.
    pub async fn finish(&mut self) -> Result<()> {
        self.counting.finish().await
    }
}
