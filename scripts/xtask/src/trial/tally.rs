//! A service that only counts: a row for each event it takes in, with the number that the event has among those of its
//! subject. Nothing but the inbox keeps one that comes again from being counted again, and nothing but the consumer's
//! order keeps them in line.
//!
//! The six services would hide a missing inbox: whatever they do twice comes to the same, by their own rules.

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
    Handled, Postgres, Service, Subscriptions,
    messaging::topology::{Admin, encoded},
    store::{Transaction, postgres::Tx},
};
use uuid::Uuid;

use super::{
    OwnService,
    database::{drop_database, make_database},
    own_service::run_until_killed,
};
use crate::native::{postgres, setting};

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
        run_until_killed(service()).await
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
        admin.apply(&service().dealings(1).topology(), PASSWORD).await?;
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
        self.admin.apply(&service().dealings(1).topology(), PASSWORD).await?;
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
