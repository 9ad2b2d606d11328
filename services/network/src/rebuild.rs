//! Rebuilds the graph in place from the owners' snapshots of members and contacts.

use accounts_events::AccountSnapshot;
use contacts_events::ContactSnapshot;
use skeleton::{
    Failure, HandlerResult, Neo4j, Publish, StoreError,
    rebuild::{Projections, Slice, Source},
    store::neo4j::Tx,
};
use uuid::Uuid;

use crate::{
    consumers::{enrol, place},
    domain::{Card, Newness, Pepper, Profile},
    store,
};

/// The read models that can be rebuilt: members first, because contacts belong to them.
pub fn projections() -> Projections<Neo4j> {
    Projections::new().of::<Members>().of::<Contacts>()
}

/// The number written in one transaction, which holds locks that other transactions wait for.
const AT_ONCE: Option<u32> = Some(50);

struct Members;

impl Source<Neo4j> for Members {
    const THINGS: &'static str = "members";
    const PAGE: Option<u32> = AT_ONCE;
    type Snapshot = AccountSnapshot;

    async fn here(store: &Neo4j, slice: &Slice) -> Result<Vec<(Uuid, i64)>, StoreError> {
        store::members_within(store, slice).await
    }

    async fn place(account: AccountSnapshot, tx: &mut Tx) -> HandlerResult {
        let key = tx.resource::<Pepper>().email(&account.email);
        let profile = Profile {
            account_id: account.account_id,
            key: key.ok_or_else(|| Failure::bug("an account has an invalid e-mail address"))?,
            name: account.name,
            discoverable: account.discoverable,
            nameable: account.nameable,
            newness: Newness::snapshot(account.sequence),
        };
        let standing = store::standing_of(tx, &profile).await?;
        enrol(&profile, &standing, tx).await
    }

    async fn remove(account: Uuid, _: i64, tx: &mut Tx) -> HandlerResult {
        Ok(store::remove_member(tx, account).await.map(drop)?)
    }

    async fn reset(account: Uuid, tx: &mut Tx) -> HandlerResult {
        Ok(store::forget_sequence(tx, account).await?)
    }
}

struct Contacts;

impl Source<Neo4j> for Contacts {
    const THINGS: &'static str = "contacts";
    const PAGE: Option<u32> = AT_ONCE;
    type Snapshot = ContactSnapshot;

    async fn here(store: &Neo4j, slice: &Slice) -> Result<Vec<(Uuid, i64)>, StoreError> {
        store::contacts_within(store, slice).await
    }

    async fn place(contact: ContactSnapshot, tx: &mut Tx) -> HandlerResult {
        let card = Card {
            contact_id: contact.contact_id,
            owner_id: contact.owner_id,
            name: contact.name.full,
            keys: tx.resource::<Pepper>().keys(&contact.emails, &contact.phones, &contact.urls),
            newness: Newness::snapshot(contact.sequence),
        };
        if store::is_damaged(tx, card.contact_id, card.owner_id).await? {
            store::remove(tx, card.contact_id, 0).await?;
        }
        place(&card, tx).await
    }

    async fn remove(contact: Uuid, sequence: i64, tx: &mut Tx) -> HandlerResult {
        Ok(store::remove(tx, contact, sequence).await?)
    }

    /// Repairs ties, and forgets people that no address book has.
    async fn mend(slice: &Slice, tx: &mut Tx) -> HandlerResult {
        store::mend_ties(tx, slice).await?;
        store::forget_unused(tx, slice).await?;
        Ok(())
    }
}
