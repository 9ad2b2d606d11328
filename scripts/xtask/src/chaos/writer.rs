//! A service with its own API: each request writes a row and publishes an event.
//!
//! The six services are called over the broker, so none of them accepts writes while it is away. This one shows that a
//! service with its own routes and an outbox does, as the skeleton promises.

use anyhow::Result;
use clap::Args;
use contacts_events::{ContactAddedV2, ContactChangedV2};
use skeleton::{
    App, Failure, Postgres, Publish, Service,
    http::{NoContent, Routes, group, reply},
    store::{Store, Transaction, postgres::Tx},
};
use uuid::Uuid;
use warp::Filter;

use crate::trial::run_until_killed;

/// Its command in this program.
pub const WRITER: &str = "writer";

/// The service whose events it publishes: its virtual host has no other service of this name.
pub const NAME: &str = "contacts";

/// The account of all that it writes.
pub const OWNER: Uuid = Uuid::from_u128(0x6b69_7468);

const MIGRATIONS: &[(&str, &str)] =
    &[("V1__written", "create table written (contact_id uuid primary key, times bigint not null)")];

/// Run the service that `chaos` writes to; `chaos` starts and stops it itself.
#[derive(Args)]
pub struct Writer;

impl Writer {
    /// Runs it until it is killed.
    pub async fn run(self) -> Result<()> {
        run_until_killed(service()).await
    }
}

/// The service.
pub fn service() -> Service<Postgres> {
    Service::named(NAME).store(Postgres::migrated_by(MIGRATIONS)).routes(routes, &[])
}

fn routes(app: &App<Postgres>) -> Routes {
    let app = app.clone();
    let write = warp::path!("contacts" / Uuid).and(warp::post()).then(move |contact| {
        let app = app.clone();
        async move { reply(write_contact(&app, contact).await) }
    });
    group(write)
}

/// `POST /contacts/{id}`: adds a contact, or changes an existing one.
async fn write_contact(app: &App<Postgres>, contact: Uuid) -> Result<NoContent, Failure> {
    let mut tx = app.store.begin(&app.service, &[]).await?;
    publish(&mut tx, contact).await?;
    tx.commit().await?;
    Ok(NoContent)
}

async fn publish(tx: &mut Tx, contact: Uuid) -> Result<(), Failure> {
    let sql = "insert into written as w (contact_id, times) values ($1, 1)
        on conflict (contact_id) do update set times = w.times + 1 returning times";
    match tx.query_one(sql, &[&contact]).await?.get::<_, i64>(0) {
        1 => tx.publish(added(contact)),
        _ => tx.publish(changed(contact)),
    }
}

/// The first event of a contact.
fn added(contact: Uuid) -> ContactAddedV2 {
    ContactAddedV2 { contact_id: contact, owner_id: OWNER, ..contacts_events::samples::contact_added_v2() }
}

/// A later event of a contact.
fn changed(contact: Uuid) -> ContactChangedV2 {
    ContactChangedV2 { contact_id: contact, owner_id: OWNER, ..contacts_events::samples::contact_changed_v2() }
}
