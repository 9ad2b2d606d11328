//! A service that only counts: one row per event it consumes, with the event's sequence. Only the inbox prevents it
//! from counting a redelivered event again, and only the consumer's order keeps the rows in sequence.
//!
//! The six services would hide a missing inbox: their own rules make repeated effects idempotent.

use anyhow::Result;
use clap::Args;
use contacts_events::{
    ContactAdded, ContactChanged, ContactRemoved, ImportCancelled, ImportFailed, ImportFinished, ImportProgressed,
    ImportStarted,
};
use network_events::IdentityLinked;
use skeleton::{
    HandlerResult, Postgres, Service, Subscriptions,
    store::{Transaction, postgres::Tx},
};
use uuid::Uuid;

use super::own_service::run_until_killed;

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

/// Used only on loopback, and deleted at the end.
pub const PASSWORD: &str = "tally";

/// Run the service that `kills` and `chaos` count with; they start and stop it themselves.
#[derive(Args)]
pub struct Tally;

impl Tally {
    /// Runs it until it is killed.
    pub async fn run(self) -> Result<()> {
        run_until_killed(service()).await
    }
}

pub fn service() -> Service<Postgres> {
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
    Service::named(TALLY).read_model_store(Postgres::migrated_by(MIGRATIONS)).consumes(subscriptions)
}

async fn on_contact_added(added: ContactAdded, tx: &mut Tx) -> HandlerResult {
    count(tx, added.owner_id, "added").await
}

async fn on_contact_changed(changed: ContactChanged, tx: &mut Tx) -> HandlerResult {
    count(tx, changed.owner_id, "changed").await
}

async fn on_contact_removed(removed: ContactRemoved, tx: &mut Tx) -> HandlerResult {
    count(tx, removed.owner_id, "removed").await
}

async fn on_import_started(started: ImportStarted, tx: &mut Tx) -> HandlerResult {
    count(tx, started.account_id, "import started").await
}

async fn on_import_progressed(progressed: ImportProgressed, tx: &mut Tx) -> HandlerResult {
    count(tx, progressed.account_id, "import progressed").await
}

async fn on_import_finished(finished: ImportFinished, tx: &mut Tx) -> HandlerResult {
    count(tx, finished.account_id, "import ended").await
}

async fn on_import_failed(failed: ImportFailed, tx: &mut Tx) -> HandlerResult {
    count(tx, failed.account_id, "import ended").await
}

async fn on_import_cancelled(cancelled: ImportCancelled, tx: &mut Tx) -> HandlerResult {
    count(tx, cancelled.account_id, "import ended").await
}

async fn on_identity_linked(linked: IdentityLinked, tx: &mut Tx) -> HandlerResult {
    count(tx, linked.owner_id, "linked").await
}

async fn count(tx: &mut Tx, owner: Uuid, name: &str) -> HandlerResult {
    let cause = tx.unit_of_work().cause();
    let subject = cause.and_then(|event| event.subject.clone()).unwrap_or_default();
    let number = cause.and_then(|event| event.sequence).unwrap_or_default();
    let sql = "insert into counted (owner_id, subject, number, name) values ($1, $2, $3, $4)";
    Ok(tx.execute_later(sql, &[&owner, &subject, &number, &name]).await?)
}
