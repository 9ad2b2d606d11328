//! How the index is made again, from the contacts as their owner has them now.

use events::contacts::{ContactSnapshot, ContactSnapshots, ContactsSum, ListContactSnapshots, SumContacts};
use skeleton::{
    Elasticsearch, Handled, Index, StoreError,
    rebuild::{Projections, Slice, Snapshots, Source, Sum},
};
use uuid::Uuid;

use crate::store::{self, ContactDocument};

/// Everything that can be made again.
pub fn projections() -> Projections<Elasticsearch> {
    Projections::new().of::<Contacts>()
}

struct Contacts;

impl Source<Elasticsearch> for Contacts {
    const THINGS: &'static str = "contacts";
    type Snapshot = ContactSnapshot;
    type Page = ListContactSnapshots;
    type Total = SumContacts;

    fn page(slice: &Slice, after: Option<Uuid>) -> ListContactSnapshots {
        ListContactSnapshots { within: slice.digits().to_owned(), after, limit: None }
    }

    fn read(page: ContactSnapshots) -> Snapshots<ContactSnapshot> {
        Snapshots { things: page.contacts, next: page.next }
    }

    fn total(slice: &Slice) -> SumContacts {
        SumContacts { within: slice.digits().to_owned() }
    }

    fn sum(total: ContactsSum) -> Sum {
        Sum { count: total.count, checksum: total.checksum }
    }

    fn state(contact: &ContactSnapshot) -> (Uuid, i64) {
        (contact.contact_id, contact.sequence)
    }

    async fn here(store: &Elasticsearch, slice: &Slice) -> Result<Vec<(Uuid, i64)>, StoreError> {
        store::versions(store, slice).await
    }

    async fn place(contact: ContactSnapshot, index: &mut Index) -> Handled {
        let (id, version) = Self::state(&contact);
        index.put(id, version, &ContactDocument::from(contact))
    }

    async fn remove(contact: Uuid, version: i64, index: &mut Index) -> Handled {
        index.bury::<ContactDocument>(contact, version + 1);
        Ok(())
    }
}
