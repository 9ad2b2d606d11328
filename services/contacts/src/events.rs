//! Conversion of contacts and imports to events.

use chrono::{DateTime, Utc};
use contacts_events::{
    ContactAddedV2, ContactChangedV2, ContactRemoved, ImportCancelled, ImportFailed, ImportFinished, ImportProgressed,
    ImportStarted, PersonName, Work,
};

use crate::domain::{Contact, Import, files::Card};

/// A contact was added.
pub fn added(contact: &Contact) -> ContactAddedV2 {
    let card = contact.card.clone();
    ContactAddedV2 {
        contact_id: contact.id,
        owner_id: contact.owner_id,
        name: name(&card),
        work: work(&card),
        emails: card.emails,
        phones: card.phones,
        notes: card.notes,
        urls: card.urls,
        added_at: contact.created_at,
    }
}

/// A contact has changed.
pub fn changed(contact: &Contact) -> ContactChangedV2 {
    let card = contact.card.clone();
    ContactChangedV2 {
        contact_id: contact.id,
        owner_id: contact.owner_id,
        name: name(&card),
        work: work(&card),
        emails: card.emails,
        phones: card.phones,
        notes: card.notes,
        urls: card.urls,
        changed_at: contact.changed_at,
    }
}

fn name(card: &Card) -> PersonName {
    PersonName { full: card.name.clone(), given: card.given_name.clone(), family: card.family_name.clone() }
}

fn work(card: &Card) -> Option<Work> {
    let Card { company, title, .. } = card;
    (company.is_some() || title.is_some()).then(|| Work { company: company.clone(), title: title.clone() })
}

/// A contact was removed.
pub fn removed(contact: &Contact, removed_at: DateTime<Utc>) -> ContactRemoved {
    ContactRemoved { contact_id: contact.id, owner_id: contact.owner_id, removed_at }
}

/// The import of a file has started.
pub fn started(import: &Import, started_at: DateTime<Utc>) -> ImportStarted {
    ImportStarted {
        import_id: import.id,
        account_id: import.account_id,
        file_name: import.file_name.clone(),
        started_at,
    }
}

/// An import has progressed.
pub fn progressed(import: &Import) -> ImportProgressed {
    let Import { id, account_id, file_name, total, added, changed, unchanged, failed, .. } = import.clone();
    ImportProgressed { import_id: id, account_id, file_name, total, added, changed, unchanged, failed }
}

/// An import has finished.
pub fn finished(import: &Import, finished_at: DateTime<Utc>) -> ImportFinished {
    let Import { id, account_id, file_name, total, added, changed, unchanged, failed, .. } = import.clone();
    ImportFinished { import_id: id, account_id, file_name, total, added, changed, unchanged, failed, finished_at }
}

/// An import was cancelled.
pub fn cancelled(import: &Import, cancelled_at: DateTime<Utc>) -> ImportCancelled {
    let Import { id, account_id, file_name, total, added, changed, unchanged, failed, .. } = import.clone();
    ImportCancelled { import_id: id, account_id, file_name, total, added, changed, unchanged, failed, cancelled_at }
}

/// A file was not a contacts file.
pub fn failed(import: &Import, reason: String, failed_at: DateTime<Utc>) -> ImportFailed {
    ImportFailed {
        import_id: import.id,
        account_id: import.account_id,
        file_name: import.file_name.clone(),
        reason,
        failed_at,
    }
}
