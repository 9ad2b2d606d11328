//! The tally as a process, with its own database and queue.

use anyhow::{Context, Result};
use skeleton::messaging::topology::{Admin, encoded};

use super::{
    OwnService,
    database::{drop_database, make_database},
    tally::{PASSWORD, TALLY, service},
};
use crate::native::{postgres, setting};

/// The process, with its own database and queue.
pub struct Counting {
    process: OwnService,
    database: String,
    vhost: String,
    admin: Admin,
}

impl Counting {
    /// Creates what it needs beside the six services, and starts it with these additional settings.
    pub async fn start(variables: &[(String, String)]) -> Result<Self> {
        Self::start_in("/", TALLY, variables).await
    }

    /// The same in a virtual host of the broker, with a database of this name.
    pub async fn start_in(vhost: &str, database: &str, variables: &[(String, String)]) -> Result<Self> {
        make_database(database).await?;
        let admin = Admin::new(&setting("KITH_RABBIT_API")?, vhost);
        admin.apply(&service().topology_spec(1).topology(), PASSWORD).await?;
        let settings = vec![
            ("BROKER__URL", broker_url(TALLY, vhost)?),
            ("BROKER__PASSWORD", PASSWORD.to_owned()),
            ("STORE__URL", postgres(database)?),
        ];
        let mut process = OwnService::new(TALLY, TALLY, settings)?.with(variables);
        process.start()?;
        Ok(Self { process, database: database.to_owned(), vhost: vhost.to_owned(), admin })
    }

    /// Starts it if it is not running.
    pub fn restart(&mut self) -> Result<()> {
        self.process.start()
    }

    /// Kills it with SIGKILL.
    pub async fn kill(&mut self) -> Result<()> {
        self.process.kill().await
    }

    /// Its process id.
    pub fn process(&self) -> &OwnService {
        &self.process
    }

    /// Applies its topology again.
    pub async fn apply_topology(&self) -> Result<()> {
        self.admin.apply(&service().topology_spec(1).topology(), PASSWORD).await?;
        Ok(())
    }

    /// Stops it and removes everything: its queues would grow forever.
    pub async fn finish(&mut self) -> Result<()> {
        if self.process.is_started() {
            self.kill().await?;
        }
        let vhost = encoded(&self.vhost);
        for queue in ["events", "dead"] {
            self.admin.delete(&format!("queues/{vhost}/{TALLY}.{queue}")).await?;
        }
        for exchange in ["events", "requests", "jobs", "replies", "dead"] {
            self.admin.delete(&format!("exchanges/{vhost}/{exchange}.{TALLY}")).await?;
        }
        self.admin.delete(&format!("permissions/{vhost}/{TALLY}")).await?;
        drop_database(&self.database).await
    }
}

/// The broker's URL for a user in a virtual host.
pub fn broker_url(user: &str, vhost: &str) -> Result<String> {
    let broker = setting("KITH_AMQP_URL")?;
    let (_, place) = broker.rsplit_once('@').context("KITH_AMQP_URL has no user")?;
    let (place, _) = place.split_once('/').unwrap_or((place, ""));
    Ok(format!("amqp://{user}@{place}/{}", encoded(vhost)))
}
