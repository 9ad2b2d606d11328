//! What other services say of their part in an erasure.

use ::events::{contacts, gateway, network, notifications, search};
use skeleton::{HandlerResult, Subscriptions, store::postgres::Tx};

use crate::{
    domain::{Confirmed, Part},
    jobs::erasing::confirm,
};

/// The events that accounts listens to.
pub fn subscriptions() -> Subscriptions<Tx> {
    Subscriptions::new()
        .on(on_contacts_erased)
        .on(on_gateway_erased)
        .on(on_network_erased)
        .on(on_notifications_erased)
        .on(on_search_erased)
}

/// The address book is gone.
async fn on_contacts_erased(done: contacts::AccountDataErased, tx: &mut Tx) -> HandlerResult {
    let confirmed = Confirmed { erased_at: done.erased_at, removed: done.removed };
    confirm(tx, done.account_id, Part::Contacts, confirmed).await
}

/// The live stream and the kept answers are gone.
async fn on_gateway_erased(done: gateway::AccountDataErased, tx: &mut Tx) -> HandlerResult {
    let confirmed = Confirmed { erased_at: done.erased_at, removed: done.removed };
    confirm(tx, done.account_id, Part::Gateway, confirmed).await
}

/// The person and their ties are gone.
async fn on_network_erased(done: network::AccountDataErased, tx: &mut Tx) -> HandlerResult {
    let confirmed = Confirmed { erased_at: done.erased_at, removed: done.removed };
    confirm(tx, done.account_id, Part::Network, confirmed).await
}

/// Address, notifications and preferences are gone.
async fn on_notifications_erased(done: notifications::AccountDataErased, tx: &mut Tx) -> HandlerResult {
    let confirmed = Confirmed { erased_at: done.erased_at, removed: done.removed };
    confirm(tx, done.account_id, Part::Notifications, confirmed).await
}

/// Nothing of the account is found any more.
async fn on_search_erased(done: search::AccountDataErased, tx: &mut Tx) -> HandlerResult {
    let confirmed = Confirmed { erased_at: done.erased_at, removed: done.removed };
    confirm(tx, done.account_id, Part::Search, confirmed).await
}
