//! What search listens to: address books, and the end of an account.

use events::{accounts::Erased, search::AccountDataErased};
use skeleton::{HandlerResult, Index, Subscriptions};

use crate::{
    excerpts::{ChangedContact, NewContact, RemovedContact},
    store::{self, ContactDocument},
};

/// Every event that search listens to.
pub fn subscriptions() -> Subscriptions<Index> {
    Subscriptions::new()
        .on_latest(on_contact_added)
        .on_latest(on_contact_changed)
        .on_latest(on_contact_removed)
        .on(on_erased)
}

/// Search finds a contact as soon as it is in an address book.
pub async fn on_contact_added(NewContact(contact): NewContact, index: &mut Index) -> HandlerResult {
    store::put(index, &ContactDocument::from(contact))
}

/// Search finds a contact as it is now, and no longer as it was.
pub async fn on_contact_changed(ChangedContact(contact): ChangedContact, index: &mut Index) -> HandlerResult {
    store::put(index, &ContactDocument::from(contact))
}

/// Search no longer finds a contact that has left its address book.
pub async fn on_contact_removed(removed: RemovedContact, index: &mut Index) -> HandlerResult {
    store::bury(index, removed.contact_id)
}

/// Nothing of an erased account is found or kept, whatever comes late.
pub async fn on_erased(erased: Erased, index: &mut Index) -> HandlerResult {
    let (account_id, erased_at) = (erased.account_id, index.now());
    index.erase_and_confirm(account_id, move |removed| AccountDataErased { account_id, erased_at, removed })
}
