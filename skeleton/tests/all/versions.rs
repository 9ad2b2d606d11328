//! Tests of several versions of an event side by side, on a real broker and a real Postgres.

use accounts_events::Registered;
use contacts_events::{ContactAdded, ContactAddedV2};
use events::{Envelope, Message, versions::Supersedes};
use skeleton::{
    HandlerResult, Postgres, Publish, Service, Subscriptions,
    parked::{Checked, Edit, Refused},
    store::{Decisions, SetAside, State, Store, postgres::Tx},
    telemetry::metrics_text,
    testing::{TestApp, eventually, somebody},
};
use uuid::Uuid;

const MIGRATIONS: &[(&str, &str)] =
    &[("V1__names", "create table names (contact_id uuid not null, name text not null, version integer not null)")];

/// The previous build, written against version 1.
fn older_build() -> Service<Postgres> {
    async fn on_contact_added(added: ContactAdded, tx: &mut Tx) -> HandlerResult {
        note(tx, added.contact_id, &added.name, 1).await
    }
    build(Subscriptions::new().on(on_contact_added))
}

/// The new build, written against version 2.
fn newer_build() -> Service<Postgres> {
    async fn on_contact_added(added: ContactAddedV2, tx: &mut Tx) -> HandlerResult {
        note(tx, added.contact_id, &added.name.full, 2).await
    }
    build(Subscriptions::new().on(on_contact_added))
}

fn build(subscriptions: Subscriptions<Tx>) -> Service<Postgres> {
    Service::named("notifications").store(Postgres::migrated_by(MIGRATIONS)).consumes(subscriptions)
}

async fn note(tx: &mut Tx, contact: Uuid, name: &str, version: i32) -> HandlerResult {
    tx.execute("insert into names values ($1, $2, $3)", &[&contact, &name, &version]).await?;
    Ok(())
}

async fn start() -> TestApp<Postgres> {
    TestApp::start(newer_build(), &[("retry", "waits_ms", "[50, 50, 50, 50]")]).await
}

async fn names(app: &TestApp<Postgres>) -> Vec<(String, i32)> {
    let rows = app.parts().store.query("select name, version from names order by name", &[]).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

fn contact(name: &str) -> ContactAddedV2 {
    let mut added = ContactAddedV2 { contact_id: Uuid::new_v4(), ..contacts_events::samples::contact_added_v2() };
    added.name.full = name.to_owned();
    added
}

fn older(added: &ContactAddedV2) -> ContactAdded {
    ContactAddedV2::DOWNCAST.unwrap()(added)
}

/// The same event under the name of another version.
fn under_the_name_of<M: Message>(envelope: &Envelope) -> Envelope {
    Envelope { name: M::NAME.to_owned(), ..envelope.clone() }
}

#[tokio::test]
async fn an_older_version_is_read_by_a_newer_consumer() {
    let app = start().await;

    let ending = app.receives(&older(&contact("Zoë"))).await;

    assert_eq!(ending.outcome, "done");
    assert_eq!(names(&app).await, [("Zoë".to_owned(), 2)]);
    app.finish().await;
}

#[tokio::test]
async fn who_reads_a_version_that_retires_is_told_so() {
    let app = TestApp::start(older_build(), &[]).await;

    let contract = older_build().contract(app.settings()).unwrap();
    let newest = newer_build().contract(app.settings()).unwrap();
    let metrics = metrics_text();

    let retires = ContactAdded::ENTRY.retires().unwrap();
    assert_eq!(contract["consumes"][0]["retires"], retires.to_string());
    assert_eq!(newest["consumes"][0].get("retires"), None);
    let end = retires.succ_opt().unwrap().and_time(Default::default()).and_utc().timestamp();
    let gauge = "message_version_retires_timestamp_seconds{name=\"contacts.contact-added.v1\"";
    let line = metrics.lines().find(|line| line.starts_with(gauge)).unwrap_or_else(|| panic!("{metrics}"));
    assert!(line.ends_with(&format!(" {end}")), "{line}");
    app.finish().await;
}

#[tokio::test]
async fn of_two_versions_of_one_event_one_is_handled_whichever_comes_first() {
    let app = start().await;

    for (name, is_older_first) in [("Ada", true), ("Bob", false)] {
        let added = contact(name);
        let newer = app.world().envelope_for(&added);
        let before = under_the_name_of::<ContactAdded>(&newer);
        if is_older_first {
            app.receives_in(&older(&added), &before).await;
            app.receives_in(&added, &newer).await;
        } else {
            app.receives_in(&added, &newer).await;
            app.receives_in(&older(&added), &before).await;
        }
    }

    assert_eq!(names(&app).await, [("Ada".to_owned(), 2), ("Bob".to_owned(), 2)]);
    app.finish().await;
}

#[tokio::test]
async fn an_event_is_published_in_its_older_version_too_as_the_same_event() {
    async fn on_registered(registered: Registered, tx: &mut Tx) -> HandlerResult {
        tx.publish(ContactAddedV2 { contact_id: registered.account_id, ..contact(&registered.name) })
    }
    let producer = Service::named("contacts").store(Postgres::migrated_by(MIGRATIONS));
    let app = TestApp::start(producer.consumes(Subscriptions::new().on(on_registered)), &[]).await;
    let registered = accounts_events::samples::registered();

    app.receives(&registered).await;

    let (newer, added) = app.published_once_in::<ContactAddedV2>(|_| true).await;
    let (before, as_before) = app.published_once_in::<ContactAdded>(|_| true).await;
    assert_eq!(before, under_the_name_of::<ContactAdded>(&newer));
    assert_eq!((as_before, before.sequence), (older(&added), Some(1)));
    app.finish().await;
}

/// A message with this data that an older build has parked.
async fn parked_before_the_upgrade(app: &TestApp<Postgres>, data: &serde_json::Value) -> SetAside {
    let added = older(&contact("Zoë"));
    let envelope = under_the_name_of::<ContactAdded>(&app.world().envelope_for(&added));
    let now = envelope.time;
    let parked = SetAside {
        message: envelope.id,
        queue: "notifications.events".to_owned(),
        name: envelope.name.clone(),
        subject: envelope.subject.clone(),
        headers: envelope.to_headers(),
        body: serde_json::to_vec(data).unwrap(),
        place: None,
        state: State::Parked,
        attempts: 5,
        due_at: now,
        reason: "parked before the upgrade".to_owned(),
        stack: None,
        first_failed_at: now,
        last_failed_at: now,
    };
    app.parts().store.set_aside(&parked).await.unwrap();
    parked
}

async fn is_handled_as_version_2(app: &TestApp<Postgres>) {
    eventually("the message is handled", async || match &names(app).await[..] {
        [(name, 2)] if name == "Zoë" => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
}

#[tokio::test]
async fn what_an_older_build_has_parked_is_redriven_by_a_newer_one() {
    let app = start().await;
    let parked = parked_before_the_upgrade(&app, &serde_json::json!(older(&contact("Zoë")))).await;

    app.parts().store.redrive(&[parked.message], &somebody()).await.unwrap();

    is_handled_as_version_2(&app).await;
    app.finish().await;
}

#[tokio::test]
async fn an_older_version_is_edited_as_what_it_is_and_redriven_as_the_newer_one() {
    let app = start().await;
    let good = serde_json::json!(older(&contact("Zoë")));
    let mut bad = good.clone();
    bad["emails"] = serde_json::json!("zoe@example.org");
    let parked = parked_before_the_upgrade(&app, &bad).await;

    let newer = serde_json::json!(contact("Zoë")).to_string();
    assert!(matches!(Edit::of(parked.clone(), newer.as_bytes()), Err(Refused::Violation(_))));
    let edit = Edit::of(parked.clone(), good.to_string().as_bytes()).unwrap();
    assert_eq!(edit.checked, Checked::Schema(ContactAdded::NAME));
    edit.keep(&app.parts().store, &somebody()).await.unwrap();
    app.parts().store.redrive(&[parked.message], &somebody()).await.unwrap();

    is_handled_as_version_2(&app).await;
    app.finish().await;
}

#[tokio::test]
async fn an_older_and_a_newer_build_share_a_queue_and_nothing_is_lost_doubled_or_parked() {
    let app = start().await;
    let old_replica = app.replica(older_build()).await;
    let mut expected = Vec::new();

    // Until both builds have handled a message, which shows that both read the queue.
    let noted = loop {
        let begin = expected.len();
        for number in begin..begin + 60 {
            let added = contact(&format!("{number:03}"));
            let newer = app.world().envelope_for(&added);
            // Producers are upgraded one after the other too: a third of them publishes only the older version.
            if number % 3 != 0 {
                app.world().publish(&added, &newer).await;
            }
            app.world().publish(&older(&added), &under_the_name_of::<ContactAdded>(&newer)).await;
            expected.push(added.name.full);
        }
        let noted = eventually("all are handled and none waits", async || {
            let (handled, waiting) = (names(&app).await, app.counts().await.waiting);
            if handled.len() >= expected.len() && waiting == 0 {
                Ok(handled)
            } else {
                Err(format!("{} handled, {waiting} wait", handled.len()))
            }
        })
        .await;
        let is_by = |build| noted.iter().any(|(_, version)| *version == build);
        if is_by(1) && is_by(2) {
            break noted;
        }
        assert!(expected.len() < 1200, "one of the builds handles nothing");
    };
    assert_eq!(noted.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>(), expected);
    assert!(old_replica.stop().await);
    app.finish().await;
}

#[tokio::test]
async fn data_that_breaks_its_schema_is_parked_with_the_field_and_without_the_value() {
    let app = start().await;
    let added = contact("Zoë");
    let mut body = serde_json::to_value(&added).unwrap();
    body["emails"] = serde_json::json!(["zoe@example.org", {"secret": "zoe@example.com"}]);
    let envelope = app.world().envelope_for(&added);
    let mut endings = app.parts().service.endings();

    app.world().publish_data("events.contacts", ContactAddedV2::KEY, &envelope, body.to_string().as_bytes()).await;

    assert_eq!(endings.recv().await.unwrap().outcome, "parked");
    let parked = app.parked().await;
    assert_eq!(parked[0].reason, "/emails/1 breaks the rule \"type\" of contacts.contact-added.v2");
    app.finish().await;
}
