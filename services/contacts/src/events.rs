//! How contacts and imports become events.

use ::events::contacts::{
    ContactAdded, ContactChanged, ContactRemoved, ImportFailed, ImportFinished, ImportProgressed, ImportStarted,
};
use chrono::{DateTime, Utc};

use crate::domain::{Contact, Import};

/// A contact has come in.
pub fn added(contact: &Contact) -> ContactAdded {
    let card = contact.card.clone();
    ContactAdded {
        contact_id: contact.id,
        owner_id: contact.owner_id,
        name: card.name,
        given_name: card.given_name,
        family_name: card.family_name,
        emails: card.emails,
        phones: card.phones,
        company: card.company,
        title: card.title,
        notes: card.notes,
        urls: card.urls,
        added_at: contact.created_at,
    }
}

/// A contact has changed.
pub fn changed(contact: &Contact) -> ContactChanged {
    let card = contact.card.clone();
    ContactChanged {
        contact_id: contact.id,
        owner_id: contact.owner_id,
        name: card.name,
        given_name: card.given_name,
        family_name: card.family_name,
        emails: card.emails,
        phones: card.phones,
        company: card.company,
        title: card.title,
        notes: card.notes,
        urls: card.urls,
        changed_at: contact.changed_at,
    }
}

/// A contact has gone.
pub fn removed(contact: &Contact, removed_at: DateTime<Utc>) -> ContactRemoved {
    ContactRemoved { contact_id: contact.id, owner_id: contact.owner_id, removed_at }
}

/// A file is being read.
pub fn started(import: &Import, started_at: DateTime<Utc>) -> ImportStarted {
    ImportStarted {
        import_id: import.id,
        account_id: import.account_id,
        file_name: import.file_name.clone(),
        started_at,
    }
}

/// More of a file is in.
pub fn progressed(import: &Import) -> ImportProgressed {
    let Import { id, account_id, file_name, total, added, changed, unchanged, failed, .. } = import.clone();
    ImportProgressed { import_id: id, account_id, file_name, total, added, changed, unchanged, failed }
}

/// All of a file is in.
pub fn finished(import: &Import, finished_at: DateTime<Utc>) -> ImportFinished {
    let Import { id, account_id, file_name, total, added, changed, unchanged, failed, .. } = import.clone();
    ImportFinished { import_id: id, account_id, file_name, total, added, changed, unchanged, failed, finished_at }
}

/// A file was no contacts file.
pub fn failed(import: &Import, reason: String, failed_at: DateTime<Utc>) -> ImportFailed {
    ImportFailed {
        import_id: import.id,
        account_id: import.account_id,
        file_name: import.file_name.clone(),
        reason,
        failed_at,
    }
}
