//! Upcasts and downcasts of the messages of contacts.
//!
//! Version 2 of a contact's events has name and work as objects, which can be extended. Version 2 of an import's view
//! has imports that were cancelled; version 2 of the request asks for it.

use crate::{
    ContactAdded, ContactAddedV2, ContactChanged, ContactChangedV2, GetImport, GetImportV2, ImportView,
    ImportViewStatus, ImportViewV2, ImportViewV2Status, PersonName, Work,
};
use events::versions::Supersedes;

/// Both events carry the whole contact; they differ in the name of their time field.
macro_rules! name_and_work_become_objects {
    ($new:ty, $old:ty, $at:ident) => {
        impl Supersedes for $new {
            type Old = $old;

            const DOWNCAST: Option<fn(&Self) -> $old> = Some(|new| {
                let Work { company, title } = new.work.clone().unwrap_or(Work { company: None, title: None });
                let PersonName { full: name, given: given_name, family: family_name } = new.name.clone();
                let Self { contact_id, owner_id, emails, phones, notes, urls, $at, .. } = new.clone();
                Self::Old {
                    contact_id,
                    owner_id,
                    name,
                    given_name,
                    family_name,
                    emails,
                    phones,
                    company,
                    title,
                    notes,
                    urls,
                    $at,
                }
            });

            fn upcast(old: $old) -> Self {
                let work = match (old.company, old.title) {
                    (None, None) => None,
                    (company, title) => Some(Work { company, title }),
                };
                Self {
                    contact_id: old.contact_id,
                    owner_id: old.owner_id,
                    name: PersonName { full: old.name, given: old.given_name, family: old.family_name },
                    emails: old.emails,
                    phones: old.phones,
                    work,
                    notes: old.notes,
                    urls: old.urls,
                    $at: old.$at,
                }
            }
        }
    };
}

name_and_work_become_objects!(ContactAddedV2, ContactAdded, added_at);
name_and_work_become_objects!(ContactChangedV2, ContactChanged, changed_at);

impl Supersedes for ImportViewV2 {
    type Old = ImportView;

    /// A reply is sent only to the caller, in the version that the caller requested.
    const DOWNCAST: Option<fn(&Self) -> ImportView> = None;

    fn upcast(old: ImportView) -> Self {
        let status = match old.status {
            ImportViewStatus::Uploading => ImportViewV2Status::Uploading,
            ImportViewStatus::Queued => ImportViewV2Status::Queued,
            ImportViewStatus::Running => ImportViewV2Status::Running,
            ImportViewStatus::Finished => ImportViewV2Status::Finished,
            ImportViewStatus::Failed => ImportViewV2Status::Failed,
        };
        Self {
            import_id: old.import_id,
            account_id: old.account_id,
            file_name: old.file_name,
            format: old.format,
            status,
            total: old.total,
            added: old.added,
            changed: old.changed,
            unchanged: old.unchanged,
            failed: old.failed,
            problems: old.problems,
            error: old.error,
            created_at: old.created_at,
        }
    }
}

impl Supersedes for GetImportV2 {
    type Old = GetImport;

    const DOWNCAST: Option<fn(&Self) -> GetImport> = None;

    fn upcast(old: GetImport) -> Self {
        Self { import_id: old.import_id, account_id: old.account_id }
    }
}
