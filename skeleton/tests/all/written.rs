//! Checks of a message when it is written.

use chrono::{DateTime, Utc};
use contacts_events::{ContactRemoved, ContactView, GetContact, ImportFile};
use events::{
    Event, MAX_SUBJECT, Message,
    catalogue::{Entry, Package},
};
use serde::{Deserialize, Serialize};
use skeleton::{
    Failure, HandlerResult, JobSteps, Postgres, Publish, ReadContext, RequestHandlers, Service,
    store::{Store, Transaction},
    testing::TestApp,
};
use uuid::Uuid;

use crate::probe;

/// An event about a subject with a long name. Its schema allows everything.
#[derive(Serialize, Deserialize)]
struct LongEvent(String);

impl Message for LongEvent {
    const SERVICE: &'static str = "contacts";
    const NAME: &'static str = "contacts.long-event.v1";
    const KEY: &'static str = "long-event.v1";
    const VERSION: u32 = 1;
    const KIND: events::Kind = events::Kind::Event;
    const SCHEMA: &'static str = "{}";
    const ENTRY: &'static Entry = &Entry::of::<Self>();

    fn package() -> &'static Package {
        &contacts_events::PACKAGE
    }

    fn subject(&self) -> Option<String> {
        Some(self.0.clone())
    }
}

impl Event for LongEvent {}

fn refusal(failure: Failure) -> String {
    match failure {
        Failure::Reject(problem) => problem.detail,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_subject_or_a_key_that_broker_or_store_would_refuse_is_refused_with_the_limit() {
    let app = TestApp::start(probe::service(), &[]).await;
    let mut tx = app.parts().store.begin(&app.parts().service, &[]).await.unwrap();
    let job = ImportFile { import_id: Uuid::new_v4(), position: 9 };

    let long = tx.publish(LongEvent("s".repeat(MAX_SUBJECT + 1))).unwrap_err();
    let nul = tx.publish(LongEvent("a\0b".to_owned())).unwrap_err();
    let key = tx.enqueue_once(&"k".repeat(1025), job.clone()).await.unwrap_err();

    assert_eq!(refusal(long), "a subject of 1025 bytes is too long: the limit is 1024 bytes");
    assert_eq!(refusal(nul), "a subject must not contain NUL");
    assert_eq!(refusal(key), "a key of 1025 bytes is too long: the limit is 1024 bytes");
    // The longest subject that is accepted is delivered.
    tx.publish(LongEvent("s".repeat(MAX_SUBJECT))).unwrap();
    tx.enqueue_once(&"k".repeat(1024), job).await.unwrap();
    tx.commit().await.unwrap();
    app.finish().await;
}

#[tokio::test]
async fn what_breaks_its_schema_is_not_published_and_the_error_names_the_field_and_not_the_value() {
    let app = TestApp::start(probe::service(), &[]).await;
    let mut tx = app.parts().store.begin(&app.parts().service, &[]).await.unwrap();
    // Its year has too many digits for a date-time.
    let broken = ContactRemoved { removed_at: DateTime::<Utc>::MAX_UTC, ..contacts_events::samples::contact_removed() };

    let refused = tx.publish(broken).unwrap_err();
    tx.publish(contacts_events::samples::contact_removed()).unwrap();

    let Failure::Bug(bug) = refused else { panic!("{refused:?}") };
    assert_eq!(
        bug.text,
        "the message to send violates its schema: /removed_at breaks the rule \"format\" of contacts.contact-removed.v1"
    );
    tx.commit().await.unwrap();
    app.finish().await;
}

/// A reply that violates its schema.
async fn get_contact(_: GetContact, _: ReadContext<Postgres>) -> HandlerResult<ContactView> {
    Ok(ContactView { created_at: DateTime::<Utc>::MAX_UTC, ..contacts_events::samples::contact_view() })
}

#[tokio::test]
async fn a_reply_that_breaks_its_schema_is_a_failure_of_the_service() {
    let service = Service::named("contacts")
        .store(Postgres::migrated_by(&[]))
        .answers(RequestHandlers::new().read(get_contact), &["gateway"]);
    let app = TestApp::start(service, &[]).await;

    let problem = app.call(&contacts_events::samples::get_contact()).await.unwrap_err();

    assert_eq!(problem.status, 500);
    app.finish().await;
}
