//! Snapshots and checksums of contacts, for services that keep a read model of them.

use contacts_events::{ContactSnapshot, PersonName, Work};
use skeleton::{
    HandlerResult, Postgres, ReadContext, RequestHandlers,
    rebuild::{Slice, SnapshotPage, Sum},
};

use crate::{domain::Contact, store};

/// The requests that only services with a read model may send.
pub fn answers() -> RequestHandlers<Postgres> {
    RequestHandlers::new().snapshots(page, sum)
}

/// Handles `list-contact-snapshots`: a page of all accounts' contacts in their present state.
async fn page(asked: SnapshotPage, store: ReadContext<Postgres>) -> HandlerResult<Vec<ContactSnapshot>> {
    let found = store::snapshots(&store, &asked).await?;
    Ok(found.into_iter().map(|(contact, sequence)| snapshot(contact, sequence)).collect())
}

/// Handles `sum-contacts`: the number of contacts and their checksum.
async fn sum(within: Slice, store: ReadContext<Postgres>) -> HandlerResult<Sum> {
    Ok(store::sum(&store, &within).await?)
}

fn snapshot(contact: Contact, sequence: i64) -> ContactSnapshot {
    let card = contact.card;
    let work = Work { company: card.company, title: card.title };
    ContactSnapshot {
        contact_id: contact.id,
        sequence,
        owner_id: contact.owner_id,
        name: PersonName { full: card.name, given: card.given_name, family: card.family_name },
        work: Some(work).filter(|work| work.company.is_some() || work.title.is_some()),
        emails: card.emails,
        phones: card.phones,
        notes: card.notes,
        urls: card.urls,
    }
}
