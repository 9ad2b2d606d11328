//! Confirmations by other services that they have erased their part of an account; and what a restore has undone.

use ::events::{accounts, contacts, gateway, network, notifications, search};
use chrono::TimeDelta;
use skeleton::{HandlerResult, Publish, Subscriptions, store::postgres::Tx};

use crate::{
    domain::{Confirmed, Part},
    jobs::erasing::{begin_unless_erased, confirm},
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

/// The age of an event that no replica receives for the first time: it comes from a replay.
const SURELY_REPLAYED: TimeDelta = TimeDelta::hours(1);

/// This service has created the account. If it does not exist, and was never erased, it was created after the backup that
/// this service was restored from. The other services have its data, which nobody could erase any more: a replay begins
/// the erasure.
///
/// Only a replay does: a replica on a wrong database must not erase accounts that others have just created.
async fn on_registered(registered: accounts::Registered, tx: &mut Tx) -> HandlerResult {
    let is_replayed = tx.message_time().is_some_and(|at| at < tx.now() - SURELY_REPLAYED);
    if is_replayed && store::email_of(tx, registered.account_id).await?.is_none() {
        begin_unless_erased(tx, registered.account_id, 0).await?;
    }
    Ok(())
}

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
