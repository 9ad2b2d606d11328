//! The service that the consume rows measure: it counts registrations by subject and publishes an event for each.

use accounts_events::Registered;
use contacts_events::ContactAdded;
use skeleton::{HandlerResult, Postgres, Publish, Service, Subscriptions, store::postgres::Tx};

use super::{
    bare::number_of,
    by_hand::{COUNT, EFFECTS},
};

const MIGRATIONS: &[(&str, &str)] = &[("V1__probe", EFFECTS)];

/// Whether the handler awaits its statement, and whether the relay runs.
#[derive(Clone, Copy, PartialEq)]
pub enum Way {
    /// The handler awaits its statement.
    Waiting,
    /// The statement is sent with the commit.
    Later,
    /// The statement is sent with the commit, and the relay runs.
    Relaying,
}

/// The service. Without the relay it does the same work as the baseline.
pub fn service(way: Way) -> Service<Postgres> {
    let (name, plan) = (Service::named("contacts"), Postgres::migrated_by(MIGRATIONS));
    let service = if way == Way::Relaying { name.store(plan) } else { name.read_model_store(plan) };
    service.consumes(match way {
        Way::Waiting => Subscriptions::new().on(on_registered),
        Way::Later | Way::Relaying => Subscriptions::new().on(on_registered_later),
    })
}

async fn on_registered(registered: Registered, tx: &mut Tx) -> HandlerResult {
    let number = number_of(&registered.name).unwrap_or_default();
    tx.execute(COUNT, &[&registered.account_id, &number]).await?;
    publish(registered, tx)
}

async fn on_registered_later(registered: Registered, tx: &mut Tx) -> HandlerResult {
    let number = number_of(&registered.name).unwrap_or_default();
    tx.execute_later(COUNT, &[&registered.account_id, &number]).await?;
    publish(registered, tx)
}

/// Publishes about as much data as the message had, like the handwritten program.
fn publish(registered: Registered, tx: &mut Tx) -> HandlerResult {
    let added_at = tx.now();
    tx.publish(ContactAdded {
        contact_id: registered.account_id,
        owner_id: registered.account_id,
        name: registered.name,
        given_name: None,
        family_name: None,
        emails: vec![registered.email],
        phones: Vec::new(),
        company: None,
        title: None,
        notes: None,
        urls: Vec::new(),
        added_at,
    })
}
