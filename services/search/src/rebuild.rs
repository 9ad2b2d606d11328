//! Rebuilds the index from the owner's snapshots of contacts.

use contacts_events::ContactSnapshot;
use events::Snapshot;
use skeleton::{
    Elasticsearch, HandlerResult, Index, StoreError,
    rebuild::{Projections, Slice, Source},
};
use uuid::Uuid;

use crate::store::{self, ContactDocument};

/// The read models that can be rebuilt.
pub fn projections() -> Projections<Elasticsearch> {
    Projections::new().of::<Contacts>()
}

struct Contacts;

impl Source<Elasticsearch> for Contacts {
    const THINGS: &'static str = "contacts";
    type Snapshot = ContactSnapshot;

    async fn here(store: &Elasticsearch, slice: &Slice) -> Result<Vec<(Uuid, i64)>, StoreError> {
        store::versions(store, slice).await
    }

    async fn place(contact: ContactSnapshot, index: &mut Index) -> HandlerResult {
        let (id, version) = contact.state();
        index.put_state(id, version, &ContactDocument::from(contact))
    }

    async fn remove(contact: Uuid, version: i64, index: &mut Index) -> HandlerResult {
        index.bury_state::<ContactDocument>(contact, version);
        Ok(())
    }
}
