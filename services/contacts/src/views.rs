//! Conversion of contacts and imports to views.

use contacts_events::{ContactView, ImportProblem, ImportView, ImportViewStatus, ImportViewV2, ImportViewV2Status};

use crate::domain::{Contact, Import, Status, files};

/// A contact.
pub fn contact_view(contact: Contact) -> ContactView {
    let card = contact.card;
    ContactView {
        contact_id: contact.id,
        owner_id: contact.owner_id,
        person_id: contact.person_id,
        name: card.name,
        given_name: card.given_name,
        family_name: card.family_name,
        emails: card.emails,
        phones: card.phones,
        company: card.company,
        title: card.title,
        notes: card.notes,
        urls: card.urls,
        created_at: contact.created_at,
        changed_at: contact.changed_at,
    }
}

/// An import.
pub fn import_view(import: Import, problems: Vec<files::Problem>) -> ImportViewV2 {
    let status = match import.status {
        Status::Uploading => ImportViewV2Status::Uploading,
        Status::Queued => ImportViewV2Status::Queued,
        Status::Running => ImportViewV2Status::Running,
        Status::Finished => ImportViewV2Status::Finished,
        Status::Failed => ImportViewV2Status::Failed,
        Status::Cancelled => ImportViewV2Status::Cancelled,
    };
    let problem = |problem: files::Problem| ImportProblem { line: problem.line, reason: problem.reason };
    ImportViewV2 {
        import_id: import.id,
        account_id: import.account_id,
        file_name: import.file_name,
        format: import.format,
        status,
        total: import.total,
        added: import.added,
        changed: import.changed,
        unchanged: import.unchanged,
        failed: import.failed,
        problems: problems.into_iter().map(problem).collect(),
        error: import.error,
        created_at: import.created_at,
    }
}

/// An import for clients that do not know of cancelling: a cancelled import appears as finished.
pub fn import_view_v1(import: Import, problems: Vec<files::Problem>) -> ImportView {
    let view = import_view(import, problems);
    let status = match view.status {
        ImportViewV2Status::Uploading => ImportViewStatus::Uploading,
        ImportViewV2Status::Queued => ImportViewStatus::Queued,
        ImportViewV2Status::Running => ImportViewStatus::Running,
        ImportViewV2Status::Finished | ImportViewV2Status::Cancelled => ImportViewStatus::Finished,
        ImportViewV2Status::Failed => ImportViewStatus::Failed,
    };
    ImportView {
        import_id: view.import_id,
        account_id: view.account_id,
        file_name: view.file_name,
        format: view.format,
        status,
        total: view.total,
        added: view.added,
        changed: view.changed,
        unchanged: view.unchanged,
        failed: view.failed,
        problems: view.problems,
        error: view.error,
        created_at: view.created_at,
    }
}
