//! The seven services as processes.

use anyhow::{Result, ensure};

use super::{Counting, TALLY, processes};

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
        self.start_with(service, &[]).await
    }

    /// The same, with settings for this one start.
    pub async fn start_with(&mut self, service: &str, more: &[(String, String)]) -> Result<()> {
        if service == TALLY {
            ensure!(more.is_empty(), "the tally has no settings of its own");
            return self.counting.restart();
        }
        let settings: Vec<_> = self.settings.iter().chain(more).cloned().collect();
        processes::start_service(service, &settings).await
    }

    /// Stands one still, wherever it is.
    pub async fn pause(&self, service: &str) -> Result<()> {
        processes::signal(&self.pid(service)?, "-STOP").await
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
        if service == TALLY { self.counting.pid() } else { processes::pid_of(service) }
    }

    /// Ends the tally and leaves nothing of it.
    pub async fn finish(self) -> Result<()> {
        self.counting.finish().await
    }
}
