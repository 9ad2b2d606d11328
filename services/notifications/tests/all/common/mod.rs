//! Shared by this service's tests: its start next to a mail server, a member, and events.

use accounts_events::{Registered, SignedIn};
use contacts_events::{ContactAddedV2, ImportFailed, ImportFinished, PersonName};
use network_events::IdentityLinked;
use notifications_events::{ListNotifications, NotificationPage};
use skeleton::{
    Postgres,
    testing::{SmtpSink, TestApp},
};
use uuid::Uuid;

/// The service, the mail server it sends to, and a member.
pub struct Scene {
    pub app: TestApp<Postgres>,
    pub sink: SmtpSink,
    pub member: Uuid,
}

pub async fn start() -> Scene {
    let scene = start_without_member().await;
    scene.app.receives(&registered(scene.member, "ada@example.org")).await;
    scene
}

pub async fn start_without_member() -> Scene {
    start_with(SmtpSink::start().await, &[]).await
}

/// Starts the service with the given settings and mail server.
pub async fn start_with(sink: SmtpSink, settings: &[(&str, &str, &str)]) -> Scene {
    let url = sink.url();
    let settings: Vec<_> = settings.iter().copied().chain([("mail", "url", &*url)]).collect();
    let app = TestApp::start(notifications::service(), &settings).await;
    Scene { app, sink, member: Uuid::new_v4() }
}

pub fn registered(account_id: Uuid, email: &str) -> Registered {
    Registered { account_id, email: email.to_owned(), ..accounts_events::samples::registered() }
}

pub fn signed_in(account_id: Uuid, new_device: bool) -> SignedIn {
    SignedIn { account_id, session_id: Uuid::new_v4(), new_device, ..accounts_events::samples::signed_in() }
}

pub fn called(name: &str) -> PersonName {
    PersonName { full: name.to_owned(), given: None, family: None }
}

pub fn added(owner_id: Uuid, name: &str) -> ContactAddedV2 {
    ContactAddedV2 {
        contact_id: Uuid::new_v4(),
        owner_id,
        name: called(name),
        ..contacts_events::samples::contact_added_v2()
    }
}

pub fn joined(contact_id: Uuid, owner_id: Uuid) -> IdentityLinked {
    IdentityLinked { contact_id, owner_id, joined: true, ..network_events::samples::identity_linked() }
}

pub fn import_finished(account_id: Uuid) -> ImportFinished {
    ImportFinished { import_id: Uuid::new_v4(), account_id, ..contacts_events::samples::import_finished() }
}

pub fn import_failed(account_id: Uuid) -> ImportFailed {
    ImportFailed { import_id: Uuid::new_v4(), account_id, ..contacts_events::samples::import_failed() }
}

impl Scene {
    /// The first page of the member's feed.
    pub async fn feed(&self) -> NotificationPage {
        self.app.call(&ListNotifications { account_id: self.member, cursor: None, limit: None }).await.unwrap()
    }

    /// The titles in the member's feed, newest first.
    pub async fn titles(&self) -> Vec<String> {
        self.feed().await.items.into_iter().map(|item| item.title).collect()
    }
}
