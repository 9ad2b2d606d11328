//! A service that only counts: a row for each event it takes in, with the number that the event has among those of its
//! subject. Nothing but the inbox keeps one that comes again from being counted again, and nothing but the consumer's
//! order keeps them in line.
//!
//! The six services would hide a missing inbox: whatever they do twice comes to the same, by their own rules.

use std::{
    env,
    fs::{self, File},
};

use anyhow::{Context, Result};
use clap::Args;
use events::{
    contacts::{
        ContactAdded, ContactChanged, ContactRemoved, ImportCancelled, ImportFailed, ImportFinished, ImportProgressed,
        ImportStarted,
    },
    network::IdentityLinked,
};
use skeleton::{
    Handled, Postgres, Service, Settings, Subscriptions, Surroundings,
    messaging::topology::Admin,
    store::{Transaction, postgres::Tx},
};
use tokio::process::{Child, Command};
use uuid::Uuid;

use super::ledger::connect;
use crate::native::{postgres, run_folder, setting};

/// The name of the service, its database and its user.
pub const TALLY: &str = "tally";

const MIGRATIONS: &[(&str, &str)] = &[(
    "V1__counted",
    "create table counted (
        place bigint generated always as identity,
        owner_id uuid not null,
        subject text not null,
        number bigint not null,
        name text not null
    );
    create index counted_by_owner on counted (owner_id);
    create index counted_by_subject on counted (subject)",
)];

/// Only on loopback, and gone at the end.
const PASSWORD: &str = "tally";

/// Run the service that `kills` and `chaos` count with; they start and end it by themselves.
#[derive(Args)]
pub struct Tally;

impl Tally {
    /// Runs it until it is killed.
    pub async fn run(self) -> Result<()> {
        let settings = Settings::read_with(TALLY, service().defaults(), env::vars().collect())?;
        let running = service().start(settings, Surroundings::system()).await?;
        std::future::pending::<()>().await;
        running.stop().await;
        Ok(())
    }
}

fn service() -> Service<Postgres> {
    let subscriptions = Subscriptions::new()
        .in_order(on_contact_added)
        .in_order(on_contact_changed)
        .in_order(on_contact_removed)
        .in_order(on_import_started)
        .in_order(on_import_progressed)
        .in_order(on_import_finished)
        .in_order(on_import_failed)
        .in_order(on_import_cancelled)
        .on(on_identity_linked);
    Service::named(TALLY).projects_into(Postgres::migrated_by(MIGRATIONS)).consumes(subscriptions)
}

async fn on_contact_added(added: ContactAdded, tx: &mut Tx) -> Handled {
    count(tx, added.owner_id, "added").await
}

async fn on_contact_changed(changed: ContactChanged, tx: &mut Tx) -> Handled {
    count(tx, changed.owner_id, "changed").await
}

async fn on_contact_removed(removed: ContactRemoved, tx: &mut Tx) -> Handled {
    count(tx, removed.owner_id, "removed").await
}

async fn on_import_started(started: ImportStarted, tx: &mut Tx) -> Handled {
    count(tx, started.account_id, "import started").await
}

async fn on_import_progressed(progressed: ImportProgressed, tx: &mut Tx) -> Handled {
    count(tx, progressed.account_id, "import progressed").await
}

async fn on_import_finished(finished: ImportFinished, tx: &mut Tx) -> Handled {
    count(tx, finished.account_id, "import ended").await
}

async fn on_import_failed(failed: ImportFailed, tx: &mut Tx) -> Handled {
    count(tx, failed.account_id, "import ended").await
}

async fn on_import_cancelled(cancelled: ImportCancelled, tx: &mut Tx) -> Handled {
    count(tx, cancelled.account_id, "import ended").await
}

async fn on_identity_linked(linked: IdentityLinked, tx: &mut Tx) -> Handled {
    count(tx, linked.owner_id, "linked").await
}

async fn count(tx: &mut Tx, owner: Uuid, name: &str) -> Handled {
    let cause = tx.work().cause();
    let subject = cause.and_then(|event| event.subject.clone()).unwrap_or_default();
    let number = cause.and_then(|event| event.sequence).unwrap_or_default();
    let sql = "insert into counted (owner_id, subject, number, name) values ($1, $2, $3, $4)";
    Ok(tx.execute_later(sql, &[&owner, &subject, &number, &name]).await?)
}

/// The process, with a database and a queue of its own.
pub struct Counting {
    process: Option<Child>,
    settings: Vec<(String, String)>,
    admin: Admin,
}

impl Counting {
    /// Makes what it needs and starts it, with these settings over its own.
    pub async fn start(settings: &[(String, String)]) -> Result<Self> {
        let client = connect("postgres").await?;
        client.batch_execute("drop database if exists tally with (force)").await?;
        client.batch_execute("create database tally").await?;
        let admin = Admin::new(&setting("KITH_RABBIT_API")?, "/");
        admin.apply(&service().dealings(1).topology(), PASSWORD).await?;
        let settings = own_settings()?.into_iter().chain(settings.iter().cloned()).collect();
        let mut counting = Self { process: None, settings, admin };
        counting.restart()?;
        Ok(counting)
    }

    /// Starts it where it does not run.
    pub fn restart(&mut self) -> Result<()> {
        let is_there = self.process.as_mut().is_some_and(|process| matches!(process.try_wait(), Ok(None)));
        if !is_there {
            self.process = Some(spawn(&self.settings)?);
        }
        Ok(())
    }

    /// SIGKILL.
    pub async fn kill(&mut self) -> Result<()> {
        let process = self.process.take();
        process.context("tally was not there to be killed")?.kill().await.context("tally was not there to be killed")
    }

    /// Its process.
    pub fn pid(&self) -> Result<String> {
        let pid = self.process.as_ref().and_then(Child::id);
        Ok(pid.context("tally does not run")?.to_string())
    }

    /// Ends it and leaves nothing: its queues would fill for ever.
    pub async fn finish(mut self) -> Result<()> {
        if self.process.is_some() {
            self.kill().await?;
        }
        for queue in ["events", "dead"] {
            self.admin.delete(&format!("queues/%2F/{TALLY}.{queue}")).await?;
        }
        for exchange in ["events", "requests", "jobs", "replies", "dead"] {
            self.admin.delete(&format!("exchanges/%2F/{exchange}.{TALLY}")).await?;
        }
        self.admin.delete(&format!("users/{TALLY}")).await?;
        connect("postgres").await?.batch_execute("drop database tally with (force)").await?;
        Ok(())
    }
}

fn own_settings() -> Result<Vec<(String, String)>> {
    let broker = setting("KITH_AMQP_URL")?;
    let (_, broker) = broker.rsplit_once('@').context("KITH_AMQP_URL has no user")?;
    let settings = [
        ("BROKER__URL", format!("amqp://{TALLY}@{broker}")),
        ("BROKER__PASSWORD", PASSWORD.to_owned()),
        ("STORE__URL", postgres(TALLY)?),
        ("ADMIN__ADDRESS", "127.0.0.1:0".to_owned()),
    ];
    Ok(settings.map(|(name, value)| (format!("TALLY__{name}"), value)).into())
}

fn spawn(settings: &[(String, String)]) -> Result<Child> {
    let log = run_folder().join("log");
    fs::create_dir_all(&log)?;
    let log = File::options().create(true).append(true).open(log.join("tally.log"))?;
    let mut command = Command::new(env::current_exe()?);
    command.envs(settings.iter().map(|(name, value)| (name, value)));
    command.arg(TALLY).stdout(log.try_clone()?).stderr(log).kill_on_drop(true);
    command.spawn().context("tally does not start")
}
