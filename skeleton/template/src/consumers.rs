//! The events of other services that this service subscribes to.

use accounts_events::Erased;
use depot_events::AccountDataErased;
use skeleton::{HandlerResult, Publish, Subscriptions, store::postgres::Tx};
use uuid::Uuid;

use crate::{domain::Parcel, events::added, excerpts::NewMember, store};

/// The subscriptions.
pub fn subscriptions() -> Subscriptions<Tx> {
    Subscriptions::new().on(on_registered).on(on_erased)
}

/// Adds the first parcel of a new member. The event may be late, or repeated by a replay: the account gives the parcel's
/// id, so that it is added once.
async fn on_registered(member: NewMember, tx: &mut Tx) -> HandlerResult {
    let owner_id = member.account_id;
    if store::is_erased(tx, owner_id).await? {
        return Ok(());
    }
    let id = Uuid::new_v5(&owner_id, b"first");
    let parcel = Parcel { id, owner_id, label: "Welcome".to_owned(), added_at: tx.now() };
    if store::insert(tx, &parcel).await? {
        tx.publish(added(&parcel))?;
    }
    Ok(())
}

/// Deletes everything of an erased account but its id, by which late events are recognised and dropped.
async fn on_erased(erased: Erased, tx: &mut Tx) -> HandlerResult {
    let removed = store::erase(tx, erased.account_id).await?;
    tx.forget_replies_to(erased.account_id).await?;
    let erased_at = tx.now();
    tx.publish(AccountDataErased { account_id: erased.account_id, erased_at, removed })
}
