//! The events of other services that change address books.

use accounts_events::Erased;
use contacts_events::AccountDataErased;
use network_events::IdentityLinked;
use skeleton::{HandlerResult, Publish, Subscriptions, store::postgres::Tx};

use crate::store;

/// The events that contacts subscribes to.
pub fn subscriptions() -> Subscriptions<Tx> {
    Subscriptions::new().on_latest(on_identity_linked).on(on_erased)
}

/// Links a contact to a person of the network. The latest event wins.
async fn on_identity_linked(linked: IdentityLinked, tx: &mut Tx) -> HandlerResult {
    store::link(tx, linked.contact_id, linked.person_id).await?;
    Ok(())
}

/// Deletes an erased account's address book. Other services get the erasure's event themselves.
async fn on_erased(erased: Erased, tx: &mut Tx) -> HandlerResult {
    let now = tx.now();
    let removed = store::erase(tx, erased.account_id, now).await?;
    tx.forget_replies_to(erased.account_id).await?;
    tx.publish(AccountDataErased { account_id: erased.account_id, erased_at: now, removed })
}
