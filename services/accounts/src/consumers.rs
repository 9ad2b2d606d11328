//! Confirmations by other services that they have erased their part of an account.

use ::events::{contacts, gateway, network, notifications, search};
use skeleton::{HandlerResult, Subscriptions, store::postgres::Tx};

use crate::{
    domain::{Confirmed, Part},
    jobs::erasing::confirm,
};

/// The events that accounts subscribes to.
pub fn subscriptions() -> Subscriptions<Tx> {
    Subscriptions::new()
        .on(on_contacts_erased)
        .on(on_gateway_erased)
        .on(on_network_erased)
        .on(on_notifications_erased)
        .on(on_search_erased)
}

/// Contacts has erased the address book.
async fn on_contacts_erased(done: contacts::AccountDataErased, tx: &mut Tx) -> HandlerResult {
    let confirmed = Confirmed { erased_at: done.erased_at, removed: done.removed };
    confirm(tx, done.account_id, Part::Contacts, confirmed).await
}

/// The gateway has erased the live stream and the stored responses.
async fn on_gateway_erased(done: gateway::AccountDataErased, tx: &mut Tx) -> HandlerResult {
    let confirmed = Confirmed { erased_at: done.erased_at, removed: done.removed };
    confirm(tx, done.account_id, Part::Gateway, confirmed).await
}

/// Network has erased the person and their ties.
async fn on_network_erased(done: network::AccountDataErased, tx: &mut Tx) -> HandlerResult {
    let confirmed = Confirmed { erased_at: done.erased_at, removed: done.removed };
    confirm(tx, done.account_id, Part::Network, confirmed).await
}

/// Notifications has erased the address, the notifications and the preferences.
async fn on_notifications_erased(done: notifications::AccountDataErased, tx: &mut Tx) -> HandlerResult {
    let confirmed = Confirmed { erased_at: done.erased_at, removed: done.removed };
    confirm(tx, done.account_id, Part::Notifications, confirmed).await
}

/// Search has erased the account's documents.
async fn on_search_erased(done: search::AccountDataErased, tx: &mut Tx) -> HandlerResult {
    let confirmed = Confirmed { erased_at: done.erased_at, removed: done.removed };
    confirm(tx, done.account_id, Part::Search, confirmed).await
}
