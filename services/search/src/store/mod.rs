//! The index of contacts: one document for each, from which people, companies and notes are found.

mod questions;

use events::contacts::{ContactAdded, ContactChanged};
use serde::{Deserialize, Serialize};
use skeleton::{
    Elasticsearch, Handled, Index, StoreError,
    store::elasticsearch::{Document, Hit, IndexPlan},
};
use uuid::Uuid;

use crate::domain::{Finding, Kind, Query, people_there, subtitle};

/// The indices of this service.
pub const INDICES: &[IndexPlan] =
    &[IndexPlan { name: "contacts", version: 2, body: include_str!("../../indices/contacts.json") }];

/// A contact as it is indexed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContactDocument {
    owner_id: Uuid,
    contact_id: Uuid,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    company: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    notes: Option<String>,
    emails: Vec<String>,
    phones: Vec<String>,
    urls: Vec<String>,
}

impl Document for ContactDocument {
    const INDEX: &'static str = "contacts";

    fn owner(&self) -> Uuid {
        self.owner_id
    }
}

/// Writes a contact as the event that is handled tells it, unless a later one was handled before.
pub fn put(index: &mut Index, contact: &ContactDocument) -> Handled {
    let version = index.version()?;
    index.put(contact.contact_id, version, contact)
}

/// Leaves a tombstone in a contact's place, unless a later event was handled before.
pub fn bury(index: &mut Index, contact: Uuid) -> Handled {
    let version = index.version()?;
    index.bury::<ContactDocument>(contact, version);
    Ok(())
}

/// What of an account's own fits, the best of each kind first.
pub async fn find(
    store: &Elasticsearch,
    owner: Uuid,
    query: &Query,
    kinds: &[Kind],
    limit: usize,
) -> Result<Vec<Finding>, StoreError> {
    let asked: Vec<_> = kinds.iter().map(|kind| questions::about(*kind, query, limit)).collect();
    let answers = store.find_of::<ContactDocument>(owner, &asked).await?;
    let found = kinds.iter().zip(answers).flat_map(|(kind, hits)| hits.into_iter().map(|hit| finding(*kind, hit)));
    Ok(found.collect())
}

fn finding(kind: Kind, hit: Hit<ContactDocument>) -> Finding {
    let Hit { score, document: contact, passages, alike, .. } = hit;
    let about = || subtitle(contact.title.as_deref(), contact.company.as_deref(), &contact.addresses());
    let (title, subtitle) = match kind {
        Kind::Person | Kind::Note => (contact.name.clone(), about()),
        Kind::Company => (contact.company.clone().unwrap_or_default(), people_there(alike)),
    };
    let contact_id = (kind != Kind::Company).then_some(contact.contact_id);
    // The same text, cut into words or into pairs of signs: the one in which the match was seen.
    let passages: Vec<String> = passages.into_values().flatten().collect();
    let marked = passages.iter().find(|passage| passage.contains("<em>")).or(passages.first());
    let highlight = marked.cloned();
    Finding { kind, score, contact_id, title, subtitle, highlight }
}

impl ContactDocument {
    fn addresses(&self) -> Vec<String> {
        self.emails.iter().chain(&self.phones).cloned().collect()
    }
}

impl From<ContactAdded> for ContactDocument {
    fn from(added: ContactAdded) -> Self {
        Self {
            owner_id: added.owner_id,
            contact_id: added.contact_id,
            name: added.name,
            company: added.company,
            title: added.title,
            notes: added.notes,
            emails: added.emails,
            phones: added.phones,
            urls: added.urls,
        }
    }
}

impl From<ContactChanged> for ContactDocument {
    fn from(changed: ContactChanged) -> Self {
        Self {
            owner_id: changed.owner_id,
            contact_id: changed.contact_id,
            name: changed.name,
            company: changed.company,
            title: changed.title,
            notes: changed.notes,
            emails: changed.emails,
            phones: changed.phones,
            urls: changed.urls,
        }
    }
}
