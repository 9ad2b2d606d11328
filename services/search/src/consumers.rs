//! The events that search subscribes to: changes of address books, and erasures.

use accounts_events::Erased;
use search_events::AccountDataErased;
use skeleton::{HandlerResult, Index, Subscriptions};

use crate::{
    excerpts::{ChangedContact, NewContact, RemovedContact},
    store::{self, ContactDocument},
};

/// The events that search subscribes to.
pub fn subscriptions() -> Subscriptions<Index> {
    Subscriptions::new()
        .on_latest(on_contact_added)
        .on_latest(on_contact_changed)
        .on_latest(on_contact_removed)
        .on(on_erased)
}

/// Indexes a new contact.
pub async fn on_contact_added(NewContact(contact): NewContact, index: &mut Index) -> HandlerResult {
    store::put(index, &ContactDocument::from(contact))
}

/// Indexes a contact's new state in place of the old one.
pub async fn on_contact_changed(ChangedContact(contact): ChangedContact, index: &mut Index) -> HandlerResult {
    store::put(index, &ContactDocument::from(contact))
}

/// Removes a contact from the index.
pub async fn on_contact_removed(removed: RemovedContact, index: &mut Index) -> HandlerResult {
    store::bury(index, removed.contact_id)
}

/// Removes everything of an erased account, and ignores late events of it.
pub async fn on_erased(erased: Erased, index: &mut Index) -> HandlerResult {
    let (account_id, erased_at) = (erased.account_id, index.now());
    index.erase_and_confirm(account_id, move |removed| AccountDataErased { account_id, erased_at, removed })
}
