//! The tally as a process, with a database and a queue of its own.

use anyhow::{Context, Result};
use skeleton::messaging::topology::{Admin, encoded};

use super::{
    OwnService,
    database::{drop_database, make_database},
    tally::{PASSWORD, TALLY, service},
};
use crate::native::{postgres, setting};

/// The process, with a database and a queue of its own.
pub struct Counting {
    process: OwnService,
    database: String,
    vhost: String,
    admin: Admin,
}

impl Counting {
    /// Makes what it needs beside the six services and starts it, with these variables over its settings.
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

    /// Starts it where it does not run.
    pub fn restart(&mut self) -> Result<()> {
        self.process.start()
    }

    /// SIGKILL.
    pub async fn kill(&mut self) -> Result<()> {
        self.process.kill().await
    }

    /// Its process.
    pub fn process(&self) -> &OwnService {
        &self.process
    }

    /// Makes again what it needs of the broker.
    pub async fn apply_topology(&self) -> Result<()> {
        self.admin.apply(&service().topology_spec(1).topology(), PASSWORD).await?;
        Ok(())
    }

    /// Ends it and leaves nothing: its queues would fill for ever.
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

/// Where the broker is, for a user in a virtual host.
pub fn broker_url(user: &str, vhost: &str) -> Result<String> {
    let broker = setting("KITH_AMQP_URL")?;
    let (_, place) = broker.rsplit_once('@').context("KITH_AMQP_URL has no user")?;
    let (place, _) = place.split_once('/').unwrap_or((place, ""));
    Ok(format!("amqp://{user}@{place}/{}", encoded(vhost)))
}
