//! Confirmations by other services that they have erased their part of an account; and what a restore has undone.

use accounts_events as accounts;
use contacts_events as contacts;
use gateway_events as gateway;
use network_events as network;
use notifications_events as notifications;
use search_events as search;
use skeleton::{Failure, HandlerResult, Publish, Subscriptions, store::postgres::Tx};

use crate::{
    domain::{Confirmed, Part},
    jobs::erasing::{begin, confirm},
    requests::erase,
    store,
};

/// The events that accounts subscribes to.
pub fn subscriptions() -> Subscriptions<Tx> {
    Subscriptions::new()
        .on(on_registered)
        .on(on_erased)
        .on(on_contacts_erased)
        .on(on_gateway_erased)
        .on(on_network_erased)
        .on(on_notifications_erased)
        .on(on_search_erased)
}

/// This service has created the account. If it does not exist, and was never erased, it was created after the backup that
/// this service was restored from. The other services have its data, which no request could erase any more: a replay begins
/// the erasure.
///
/// Only a replay does, because an operator has decided on it: a replica on a wrong database must not erase accounts that
/// others have created.
async fn on_registered(registered: accounts::Registered, tx: &mut Tx) -> HandlerResult {
    let account = registered.account_id;
    if store::email_of(tx, account).await?.is_some() || store::was_erased(tx, account).await? {
        return Ok(());
    }
    if !tx.is_replay() {
        return Err(Failure::retry(LOST));
    }
    begin(tx, account, 0).await.map(drop)
}

/// Why a registration waits, and is parked in the end.
const LOST: &str = "the account does not exist and was never erased: after a restore of accounts, replay accounts.registered.v1 \
                    (docs/backups.md); otherwise, check store.url";

/// This service has erased the account. If the account exists all the same, a restore from an older backup has brought it
/// back, and a replay repeats the erasure.
async fn on_erased(erased: accounts::Erased, tx: &mut Tx) -> HandlerResult {
    erase(tx, erased.account_id).await.map(drop)
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
