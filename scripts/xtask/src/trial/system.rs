//! The seven services as processes.

use anyhow::Result;

use super::{Counting, TALLY, processes};
use crate::native;

/// All services of a trial: those of this repository and the tally.
pub fn services_of_trial() -> Result<Vec<&'static str>> {
    let mut names = native::service_names()?;
    names.push(TALLY);
    Ok(names)
}

/// The services that `deploy/native` runs, and the tally beside them.
pub struct System {
    settings: Vec<(String, String)>,
    counting: Counting,
}

impl System {
    /// Starts the tally; the six must be up. From now on each is started with these additional settings.
    pub async fn start(settings: Vec<(String, String)>) -> Result<Self> {
        let counting = Counting::start(&settings).await?;
        Ok(Self { settings, counting })
    }

    /// Kills it with SIGKILL. Returns once it is gone.
    pub async fn kill(&mut self, service: &str) -> Result<()> {
        if service == TALLY { self.counting.kill().await } else { processes::kill(service).await }
    }

    /// Restarts a killed one, as a supervisor does.
    pub async fn start_again(&mut self, service: &str) -> Result<()> {
        if service == TALLY { self.counting.restart() } else { processes::start_service(service, &self.settings).await }
    }

    /// Resumes a paused one.
    pub async fn resume(&self, service: &str) -> Result<()> {
        processes::signal(&self.pid(service)?, "-CONT").await
    }

    /// Resumes all, and starts those that are not running.
    pub async fn mend(&mut self) -> Result<()> {
        for service in services_of_trial()? {
            // A stopped one is started below.
            let _ = self.resume(service).await;
            self.start_again(service).await?;
        }
        Ok(())
    }

    /// The process id of a service.
    pub fn pid(&self, service: &str) -> Result<String> {
        if service == TALLY { self.counting.process().pid() } else { processes::pid_of(service) }
    }

    /// Applies the topologies of all again.
    pub async fn apply_topology(&self) -> Result<()> {
        native::run(native::script("services").arg("topology")).await?;
        self.counting.apply_topology().await
    }

    /// Stops and removes the tally.
    pub async fn finish(&mut self) -> Result<()> {
        self.counting.finish().await
    }
}
