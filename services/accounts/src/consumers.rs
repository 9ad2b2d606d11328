//! The events that accounts subscribes to: confirmations by other services that they have erased their part of an account,
//! and what a restore has undone.

#[rustfmt::skip] // generated
mod confirmations;

use accounts_events as accounts;
use skeleton::{Failure, HandlerResult, Publish, Subscriptions, store::postgres::Tx};

use self::confirmations::with_confirmations;
use crate::{jobs::erasing::begin, requests::erase, store};

/// The events that accounts subscribes to.
pub fn subscriptions() -> Subscriptions<Tx> {
    with_confirmations(Subscriptions::new().on(on_registered).on(on_erased))
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
