//! The index of contacts: one document per contact, in which people, companies and notes are found.

mod questions;

use contacts_events::ContactSnapshot;
use serde::{Deserialize, Serialize};
use skeleton::{
    Elasticsearch, HandlerResult, Index, StoreError,
    rebuild::Slice,
    store::elasticsearch::{Document, Hit, IndexPlan},
};
use uuid::Uuid;

use crate::{
    domain::{Finding, Kind, Query, people_there, subtitle},
    excerpts::Contact,
};

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

/// Indexes a contact as of the current event, unless a later event was handled before.
pub fn put(index: &mut Index, contact: &ContactDocument) -> HandlerResult {
    let version = index.version()?;
    index.put(contact.contact_id, version, contact)
}

/// Replaces a contact by a tombstone, unless a later event was handled before.
pub fn bury(index: &mut Index, contact: Uuid) -> HandlerResult {
    let version = index.version()?;
    index.bury::<ContactDocument>(contact, version);
    Ok(())
}

/// The indexed contacts of a slice, each with its version.
pub async fn versions(store: &Elasticsearch, slice: &Slice) -> Result<Vec<(Uuid, i64)>, StoreError> {
    store.versions_of::<ContactDocument>("contact_id", slice).await
}

/// The matches among an account's own contacts, the best of each kind first.
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
    // The same text, analysed as words or as pairs of characters: the passage with the match.
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

impl From<ContactSnapshot> for ContactDocument {
    fn from(contact: ContactSnapshot) -> Self {
        let work = contact.work.unwrap_or_default();
        Self {
            owner_id: contact.owner_id,
            contact_id: contact.contact_id,
            name: contact.name.full,
            company: work.company,
            title: work.title,
            notes: contact.notes,
            emails: contact.emails,
            phones: contact.phones,
            urls: contact.urls,
        }
    }
}

impl From<Contact> for ContactDocument {
    fn from(contact: Contact) -> Self {
        let work = contact.work.unwrap_or_default();
        Self {
            owner_id: contact.owner_id,
            contact_id: contact.contact_id,
            name: contact.name.full,
            company: work.company,
            title: work.title,
            notes: contact.notes,
            emails: contact.emails,
            phones: contact.phones,
            urls: contact.urls,
        }
    }
}
