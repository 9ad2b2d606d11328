//! What contacts tells those who keep a copy: every contact as it is now, and a sum that tells whether they have the same.

use ::events::contacts::{ContactSnapshot, PersonName, Work};
use skeleton::{
    HandlerResult, Postgres, ReadContext, RequestHandlers,
    rebuild::{Slice, SnapshotPage, Sum},
};

use crate::{domain::Contact, store};

/// The requests that only keepers of copies may ask.
pub fn answers() -> RequestHandlers<Postgres> {
    RequestHandlers::new().snapshots(page, sum)
}

/// Answers `list-contact-snapshots`: a page of contacts as they are now, whoever's they are.
async fn page(asked: SnapshotPage, store: ReadContext<Postgres>) -> HandlerResult<Vec<ContactSnapshot>> {
    let found = store::snapshots(&store, &asked).await?;
    Ok(found.into_iter().map(|(contact, sequence)| snapshot(contact, sequence)).collect())
}

/// Answers `sum-contacts`: how many there are, and in which state.
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
