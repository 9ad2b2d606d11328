//! Generated from services/*/service.toml by `cargo kith generate`. Do not edit.

use skeleton::{HandlerResult, Subscriptions, store::postgres::Tx};

use crate::{
    domain::{Confirmed, parts},
    jobs::erasing::confirm,
};

/// Adds the handlers of the other services' confirmations.
pub fn with_confirmations(subscriptions: Subscriptions<Tx>) -> Subscriptions<Tx> {
    subscriptions
        .on(on_contacts_erased)
        .on(on_gateway_erased)
        .on(on_network_erased)
        .on(on_notifications_erased)
        .on(on_search_erased)
}

/// `contacts` has erased its part.
async fn on_contacts_erased(done: contacts_events::AccountDataErased, tx: &mut Tx) -> HandlerResult {
    confirm(tx, done.account_id, parts::CONTACTS, Confirmed { erased_at: done.erased_at, removed: done.removed }).await
}

/// `gateway` has erased its part.
async fn on_gateway_erased(done: gateway_events::AccountDataErased, tx: &mut Tx) -> HandlerResult {
    confirm(tx, done.account_id, parts::GATEWAY, Confirmed { erased_at: done.erased_at, removed: done.removed }).await
}

/// `network` has erased its part.
async fn on_network_erased(done: network_events::AccountDataErased, tx: &mut Tx) -> HandlerResult {
    confirm(tx, done.account_id, parts::NETWORK, Confirmed { erased_at: done.erased_at, removed: done.removed }).await
}

/// `notifications` has erased its part.
async fn on_notifications_erased(done: notifications_events::AccountDataErased, tx: &mut Tx) -> HandlerResult {
    confirm(tx, done.account_id, parts::NOTIFICATIONS, Confirmed { erased_at: done.erased_at, removed: done.removed }).await
}

/// `search` has erased its part.
async fn on_search_erased(done: search_events::AccountDataErased, tx: &mut Tx) -> HandlerResult {
    confirm(tx, done.account_id, parts::SEARCH, Confirmed { erased_at: done.erased_at, removed: done.removed }).await
}
