//! What contacts tells those who keep a copy: every contact as it is now, and a sum that tells whether they have the same.

use ::events::contacts::{
    ContactSnapshot, ContactSnapshots, ContactsSum, ListContactSnapshots, PersonName, SumContacts, Work,
};
use skeleton::{
    Answered, Answers, Postgres, Reading,
    rebuild::{Slice, page_limit},
};

use crate::{domain::Contact, store};

/// The requests that only keepers of copies may ask.
pub fn answers() -> Answers<Postgres> {
    Answers::new().read(list_contact_snapshots).read(sum_contacts)
}

/// Answers `list-contact-snapshots`: a page of contacts as they are now, whoever's they are.
async fn list_contact_snapshots(asked: ListContactSnapshots, store: Reading<Postgres>) -> Answered<ContactSnapshots> {
    let (slice, limit) = (Slice::parse(&asked.within)?, page_limit(asked.limit)?);
    let found = store::snapshots(&store, &slice, asked.after, limit).await?;
    let next = found.last().filter(|_| found.len() as i64 == limit).map(|(contact, _)| contact.id);
    let contacts = found.into_iter().map(|(contact, sequence)| snapshot(contact, sequence)).collect();
    Ok(ContactSnapshots { contacts, next })
}

/// Answers `sum-contacts`: how many there are, and in which state.
async fn sum_contacts(asked: SumContacts, store: Reading<Postgres>) -> Answered<ContactsSum> {
    let (count, checksum) = store::sum(&store, &Slice::parse(&asked.within)?).await?;
    Ok(ContactsSum { count, checksum })
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
