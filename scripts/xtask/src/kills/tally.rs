//! A service that only counts: a row for each message it takes in, and nothing but the inbox keeps one that comes again
//! from being counted again.
//!
//! The six services would hide a missing inbox: whatever they do twice comes to the same, by their own rules.

use std::{
    collections::HashMap,
    env,
    fs::{self, File},
};

use anyhow::{Context, Result};
use clap::Args;
use events::{contacts::ContactAdded, network::IdentityLinked};
use skeleton::{
    Handled, Postgres, Service, Settings, Subscriptions, Surroundings, messaging::topology::Admin, store::postgres::Tx,
};
use tokio::process::{Child, Command};
use uuid::Uuid;

use crate::native::{postgres, run_folder, setting};

/// The name of the service, its database and its user.
pub const TALLY: &str = "tally";

const MIGRATIONS: &[(&str, &str)] =
    &[("V1__counted", "create table counted (owner_id uuid not null, contact_id uuid not null, name text not null)")];

/// Only on loopback, and gone at the end.
const PASSWORD: &str = "tally";

/// Run the service that `kills` counts with; it starts and ends it by itself.
#[derive(Args)]
pub struct Tally;

impl Tally {
    /// Runs it until it is killed.
    pub async fn run(self) -> Result<()> {
        let running = service().start(settings()?, Surroundings::system()).await?;
        std::future::pending::<()>().await;
        running.stop().await;
        Ok(())
    }
}

fn service() -> Service<Postgres> {
    let subscriptions = Subscriptions::new().on(on_contact_added).on(on_identity_linked);
    Service::named(TALLY).projects_into(Postgres::migrated_by(MIGRATIONS)).consumes(subscriptions)
}

async fn on_contact_added(added: ContactAdded, tx: &mut Tx) -> Handled {
    count(tx, added.owner_id, added.contact_id, "added").await
}

async fn on_identity_linked(linked: IdentityLinked, tx: &mut Tx) -> Handled {
    count(tx, linked.owner_id, linked.contact_id, "linked").await
}

async fn count(tx: &mut Tx, owner: Uuid, contact: Uuid, name: &str) -> Handled {
    Ok(tx.execute_later("insert into counted values ($1, $2, $3)", &[&owner, &contact, &name]).await?)
}

fn settings() -> Result<Settings> {
    let mut settings = Settings::read_with(TALLY, service().defaults(), HashMap::new())?;
    let broker = setting("KITH_AMQP_URL")?;
    let (_, broker) = broker.rsplit_once('@').context("KITH_AMQP_URL has no user")?;
    settings.set("broker", "url", format!("amqp://{TALLY}@{broker}"));
    settings.set("broker", "password", PASSWORD);
    settings.set("store", "url", postgres(TALLY)?);
    settings.set("admin", "address", "127.0.0.1:0");
    Ok(settings)
}

/// The process, with a database and a queue of its own.
pub struct Counting {
    process: Child,
    admin: Admin,
}

impl Counting {
    /// Makes what it needs and starts it.
    pub async fn start() -> Result<Self> {
        let client = super::connect("postgres").await?;
        client.batch_execute("drop database if exists tally with (force)").await?;
        client.batch_execute("create database tally").await?;
        let admin = Admin::new(&setting("KITH_RABBIT_API")?, "/");
        admin.apply(&service().dealings(1).topology(), PASSWORD).await?;
        Ok(Self { process: spawn()?, admin })
    }

    /// SIGKILL, and a new start.
    pub async fn kill(&mut self) -> Result<()> {
        self.process.kill().await.context("tally was not there to be killed")?;
        self.process = spawn()?;
        Ok(())
    }

    /// Ends it and leaves nothing: its queues would fill for ever.
    pub async fn finish(mut self) -> Result<()> {
        self.process.kill().await?;
        for queue in ["events", "dead"] {
            self.admin.delete(&format!("queues/%2F/{TALLY}.{queue}")).await?;
        }
        for exchange in ["events", "requests", "jobs", "replies", "dead"] {
            self.admin.delete(&format!("exchanges/%2F/{exchange}.{TALLY}")).await?;
        }
        self.admin.delete(&format!("users/{TALLY}")).await?;
        super::connect("postgres").await?.batch_execute("drop database tally with (force)").await?;
        Ok(())
    }
}

fn spawn() -> Result<Child> {
    let log = run_folder().join("log");
    fs::create_dir_all(&log)?;
    let log = File::options().create(true).append(true).open(log.join("tally.log"))?;
    let mut command = Command::new(env::current_exe()?);
    command.arg(TALLY).stdout(log.try_clone()?).stderr(log).kill_on_drop(true);
    command.spawn().context("tally does not start")
}
