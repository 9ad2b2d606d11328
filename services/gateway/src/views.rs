//! The views of the API, made from the services' replies and events.

use accounts_events as accounts;
use chrono::{DateTime, Utc};
use contacts_events as contacts;
use events::versions::Supersedes;
use network_events as network;
use notifications_events as notifications;
use search_events as search;
use serde::Serialize;
use uuid::Uuid;

/// A page of a list.
#[derive(Debug, Serialize)]
pub struct PageView<T> {
    /// The items of the page.
    pub items: Vec<T>,
    /// The cursor of the next page; null on the last.
    pub next_cursor: Option<String>,
}

/// An account, as its owner sees it.
#[derive(Debug, Serialize)]
pub struct AccountView {
    id: Uuid,
    email: String,
    name: String,
    discoverable: bool,
    nameable: bool,
    created_at: DateTime<Utc>,
}

impl From<accounts::AccountView> for AccountView {
    fn from(account: accounts::AccountView) -> Self {
        let accounts::AccountView { account_id: id, email, name, discoverable, nameable, created_at } = account;
        Self { id, email, name, discoverable, nameable, created_at }
    }
}

/// A session's tokens, which must not be logged.
#[derive(Serialize)]
pub struct TokensView {
    access_token: String,
    token_type: &'static str,
    expires_in: u32,
    refresh_token: String,
}

impl From<accounts::SessionView> for TokensView {
    fn from(session: accounts::SessionView) -> Self {
        let accounts::SessionView { access_token, expires_in, refresh_token, .. } = session;
        Self { access_token, token_type: "Bearer", expires_in, refresh_token }
    }
}

/// The receipt of an erasure that has begun.
#[derive(Debug, Serialize)]
pub struct ErasureBegunView {
    /// The id of the receipt, which cannot be guessed.
    pub receipt_id: Uuid,
}

impl From<accounts::ErasureBegun> for ErasureBegunView {
    fn from(begun: accounts::ErasureBegun) -> Self {
        Self { receipt_id: begun.receipt_id }
    }
}

/// The progress of an erasure. Does not say whose account it was.
#[derive(Debug, Serialize)]
pub struct ErasureView {
    receipt_id: Uuid,
    begun_at: DateTime<Utc>,
    finished_at: Option<DateTime<Utc>>,
    parts: Vec<ErasurePartView>,
}

/// One service's part of an erasure.
#[derive(Debug, Serialize)]
pub struct ErasurePartView {
    service: String,
    erased_at: Option<DateTime<Utc>>,
}

impl From<accounts::ErasureView> for ErasureView {
    fn from(erasure: accounts::ErasureView) -> Self {
        let accounts::ErasureView { receipt_id, begun_at, finished_at, parts } = erasure;
        let part = |accounts::ErasurePart { service, erased_at }| ErasurePartView { service, erased_at };
        Self { receipt_id, begun_at, finished_at, parts: parts.into_iter().map(part).collect() }
    }
}

/// A contact, as its owner sees it.
#[derive(Debug, Serialize)]
pub struct ContactView {
    id: Uuid,
    person_id: Option<Uuid>,
    name: String,
    given_name: Option<String>,
    family_name: Option<String>,
    emails: Vec<String>,
    phones: Vec<String>,
    company: Option<String>,
    title: Option<String>,
    notes: Option<String>,
    urls: Vec<String>,
    created_at: DateTime<Utc>,
    changed_at: DateTime<Utc>,
}

impl From<contacts::ContactView> for ContactView {
    fn from(contact: contacts::ContactView) -> Self {
        let contacts::ContactView { contact_id: id, person_id, name, given_name, family_name, emails, .. } = contact;
        let contacts::ContactView { phones, company, title, notes, urls, created_at, changed_at, .. } = contact;
        Self {
            id,
            person_id,
            name,
            given_name,
            family_name,
            emails,
            phones,
            company,
            title,
            notes,
            urls,
            created_at,
            changed_at,
        }
    }
}

impl From<contacts::ContactPage> for PageView<ContactView> {
    fn from(page: contacts::ContactPage) -> Self {
        Self { items: page.items.into_iter().map(Into::into).collect(), next_cursor: page.next_cursor }
    }
}

/// The status of an import.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ImportStatus {
    /// It waits for its turn.
    Queued,
    /// It is being imported.
    Running,
    /// It has been imported completely.
    Finished,
    /// The file was not a contacts file.
    Failed,
    /// Its owner cancelled it.
    Cancelled,
}

/// An import, as its owner sees it.
#[derive(Debug, Serialize)]
pub struct ImportView {
    /// The import.
    pub id: Uuid,
    file_name: Option<String>,
    format: Option<String>,
    status: ImportStatus,
    total: u32,
    added: u32,
    changed: u32,
    unchanged: u32,
    failed: u32,
    /// Left out of the stream's events.
    #[serde(skip_serializing_if = "Option::is_none")]
    problems: Option<Vec<contacts::ImportProblem>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl ImportView {
    fn new(id: Uuid, file_name: Option<String>, status: ImportStatus) -> Self {
        Self {
            id,
            file_name,
            format: None,
            status,
            total: 0,
            added: 0,
            changed: 0,
            unchanged: 0,
            failed: 0,
            problems: None,
            error: None,
        }
    }
}

impl From<contacts::ImportView> for ImportView {
    fn from(import: contacts::ImportView) -> Self {
        contacts::ImportViewV2::upcast(import).into()
    }
}

impl From<contacts::ImportViewV2> for ImportView {
    fn from(import: contacts::ImportViewV2) -> Self {
        use contacts::ImportViewV2Status as Status;
        let status = match import.status {
            // Only the uploading client can see this status, and for it the import has not begun.
            Status::Uploading | Status::Queued => ImportStatus::Queued,
            Status::Running => ImportStatus::Running,
            Status::Finished => ImportStatus::Finished,
            Status::Failed => ImportStatus::Failed,
            Status::Cancelled => ImportStatus::Cancelled,
        };
        let contacts::ImportViewV2 { total, added, changed, unchanged, failed, format, problems, error, .. } = import;
        let problems = Some(problems);
        Self {
            format,
            total,
            added,
            changed,
            unchanged,
            failed,
            problems,
            error,
            ..Self::new(import.import_id, import.file_name, status)
        }
    }
}

impl From<contacts::ImportStarted> for ImportView {
    fn from(started: contacts::ImportStarted) -> Self {
        Self::new(started.import_id, started.file_name, ImportStatus::Running)
    }
}

impl From<contacts::ImportProgressed> for ImportView {
    fn from(progressed: contacts::ImportProgressed) -> Self {
        let contacts::ImportProgressed { import_id, file_name, total, added, changed, unchanged, failed, .. } =
            progressed;
        Self { total, added, changed, unchanged, failed, ..Self::new(import_id, file_name, ImportStatus::Running) }
    }
}

impl From<contacts::ImportFinished> for ImportView {
    fn from(finished: contacts::ImportFinished) -> Self {
        let contacts::ImportFinished { import_id, file_name, total, added, changed, unchanged, failed, .. } = finished;
        Self { total, added, changed, unchanged, failed, ..Self::new(import_id, file_name, ImportStatus::Finished) }
    }
}

impl From<contacts::ImportCancelled> for ImportView {
    fn from(cancelled: contacts::ImportCancelled) -> Self {
        let contacts::ImportCancelled { import_id, file_name, total, added, changed, unchanged, failed, .. } =
            cancelled;
        Self { total, added, changed, unchanged, failed, ..Self::new(import_id, file_name, ImportStatus::Cancelled) }
    }
}

impl From<contacts::ImportFailed> for ImportView {
    fn from(failed: contacts::ImportFailed) -> Self {
        let error = Some(failed.reason);
        Self { error, ..Self::new(failed.import_id, failed.file_name, ImportStatus::Failed) }
    }
}

/// The number of people at each distance.
#[derive(Debug, Serialize)]
pub struct DegreesView {
    degrees: Vec<network::Degree>,
}

impl From<network::DegreesView> for DegreesView {
    fn from(view: network::DegreesView) -> Self {
        Self { degrees: view.degrees }
    }
}

/// The shortest and the best path to a person.
#[derive(Debug, Serialize)]
pub struct PathsView {
    shortest: PathView,
    best: PathView,
}

#[derive(Debug, Serialize)]
struct PathView {
    length: u32,
    strength: f64,
    people: Vec<PersonView>,
}

#[derive(Debug, Serialize)]
struct PersonView {
    person_id: Uuid,
    name: Option<String>,
    me: bool,
    contact_id: Option<Uuid>,
}

impl From<network::PathsView> for PathsView {
    fn from(paths: network::PathsView) -> Self {
        Self { shortest: paths.shortest.into(), best: paths.best.into() }
    }
}

impl From<network::Path> for PathView {
    fn from(path: network::Path) -> Self {
        let person =
            |network::PathPerson { person_id, name, me, contact_id }| PersonView { person_id, name, me, contact_id };
        Self { length: path.length, strength: path.strength, people: path.people.into_iter().map(person).collect() }
    }
}

/// A search result.
#[derive(Debug, Serialize)]
pub struct FoundView {
    kind: search::FoundKind,
    contact_id: Option<Uuid>,
    title: String,
    subtitle: String,
    highlight: Option<String>,
}

impl From<search::SearchResults> for PageView<FoundView> {
    fn from(results: search::SearchResults) -> Self {
        let view = |search::Found { kind, contact_id, title, subtitle, highlight }| FoundView {
            kind,
            contact_id,
            title,
            subtitle,
            highlight,
        };
        Self { items: results.items.into_iter().map(view).collect(), next_cursor: None }
    }
}

/// A notification, as its reader sees it.
#[derive(Debug, Serialize)]
pub struct NotificationView {
    id: Uuid,
    kind: String,
    title: String,
    body: String,
    read: bool,
    created_at: DateTime<Utc>,
}

impl From<notifications::Notice> for NotificationView {
    fn from(notice: notifications::Notice) -> Self {
        let notifications::Notice { notification_id: id, kind, title, body, read, created_at } = notice;
        Self { id, kind: kind.to_string(), title, body, read, created_at }
    }
}

impl From<notifications::Delivered> for NotificationView {
    fn from(delivered: notifications::Delivered) -> Self {
        let notifications::Delivered { notification_id: id, kind, title, body, delivered_at, .. } = delivered;
        Self { id, kind: kind.to_string(), title, body, read: false, created_at: delivered_at }
    }
}

/// A page of the feed.
#[derive(Debug, Serialize)]
pub struct FeedView {
    items: Vec<NotificationView>,
    unread: u32,
    next_cursor: Option<String>,
}

impl From<notifications::NotificationPage> for FeedView {
    fn from(page: notifications::NotificationPage) -> Self {
        let notifications::NotificationPage { items, unread, next_cursor } = page;
        Self { items: items.into_iter().map(Into::into).collect(), unread, next_cursor }
    }
}

/// The notification settings of an account.
#[derive(Debug, Serialize)]
pub struct PreferencesView {
    items: Vec<notifications::Preference>,
}

impl From<notifications::PreferencesView> for PreferencesView {
    fn from(view: notifications::PreferencesView) -> Self {
        Self { items: view.items }
    }
}

/// Whether an account wants the digest.
#[derive(Debug, Serialize)]
pub struct DigestView {
    wanted: bool,
}

impl From<notifications::DigestView> for DigestView {
    fn from(view: notifications::DigestView) -> Self {
        Self { wanted: view.wanted }
    }
}
