//! Confirmations by other services that they have erased their part of an account; and erasures that a restore has undone.

use ::events::{accounts, contacts, gateway, network, notifications, search};
use skeleton::{HandlerResult, Subscriptions, store::postgres::Tx};

use crate::{
    domain::{Confirmed, Part},
    jobs::erasing::confirm,
    requests::erase,
    store,
};

/// The events that accounts subscribes to.
pub fn subscriptions() -> Subscriptions<Tx> {
    Subscriptions::new()
        .on(on_erased)
        .on(on_contacts_erased)
        .on(on_gateway_erased)
        .on(on_network_erased)
        .on(on_notifications_erased)
        .on(on_search_erased)
}

/// This service has erased the account. If the account exists all the same, a restore from an older backup has brought it
/// back, and a replay repeats the erasure.
async fn on_erased(erased: accounts::Erased, tx: &mut Tx) -> HandlerResult {
    match store::find_account_to_change(tx, erased.account_id).await? {
        Some(account) => erase(tx, &account).await.map(drop),
        None => Ok(()),
    }
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
