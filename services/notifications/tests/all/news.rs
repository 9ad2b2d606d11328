//! Events of other services notify the members concerned, once.

use crate::common::{
    Scene, added, called, import_failed, import_finished, joined, registered, signed_in, start, start_without_member,
};
use accounts_events::{Erased, ProfileChanged};
use contacts_events::{ContactChangedV2, ContactRemoved};
use network_events::IdentityLinked;
use notifications_events::{AccountDataErased, Delivered, DeliveredChannel, DeliveredKind};
use skeleton::testing::eventually;
use uuid::Uuid;

fn in_app(event: &Delivered) -> bool {
    event.channel == DeliveredChannel::InApp
}

async fn nothing_is_kept_of(scene: &Scene) {
    for sql in [
        "select 1 from notifications",
        "select 1 from preferences",
        "select 1 from contact_names",
        "select 1 from recipients where email is not null",
    ] {
        assert!(scene.app.parts().store.query(sql, &[]).await.unwrap().is_empty(), "{sql}");
    }
}

#[tokio::test]
async fn a_finished_import_is_told_once_in_the_app_and_not_by_mail() {
    let scene = start().await;
    let finished = import_finished(scene.member);

    scene.app.receives(&finished).await;
    scene.app.receives(&finished).await;

    let delivered = scene.app.published_once::<Delivered>(|event| event.account_id == scene.member).await;
    assert_eq!((delivered.kind, delivered.channel), (DeliveredKind::ImportFinished, DeliveredChannel::InApp));
    assert_eq!(delivered.title, "Imported 119 contacts from Connections.csv");
    assert_eq!(scene.titles().await, ["Imported 119 contacts from Connections.csv"]);
    assert!(scene.sink.mails().await.is_empty());
    scene.app.finish().await;
}

#[tokio::test]
async fn a_failed_import_is_told_once_with_its_reason() {
    let scene = start().await;
    let failed = import_failed(scene.member);

    scene.app.receives(&failed).await;
    scene.app.receives(&failed).await;

    let delivered = scene.app.published_once::<Delivered>(|event| event.kind == DeliveredKind::ImportFailed).await;
    assert_eq!(delivered.title, "holiday.jpg could not be imported");
    assert_eq!(delivered.body, "This is not a contacts file: export contacts as vCard or CSV.");
    scene.app.finish().await;
}

#[tokio::test]
async fn a_new_device_is_told_once_and_a_known_one_is_not() {
    let scene = start().await;
    let new = signed_in(scene.member, true);

    scene.app.receives(&signed_in(scene.member, false)).await;
    scene.app.receives(&new).await;
    scene.app.receives(&new).await;

    scene.app.published_once::<Delivered>(in_app).await;
    scene.app.published_once::<Delivered>(|event| event.channel == DeliveredChannel::Email).await;
    assert_eq!(scene.titles().await, ["New sign-in to your account"]);
    scene.app.finish().await;
}

#[tokio::test]
async fn someone_imported_who_joins_is_told_once_by_their_newest_name() {
    let scene = start().await;
    let contact = added(scene.member, "Zoe M.");
    let changed = ContactChangedV2 {
        contact_id: contact.contact_id,
        owner_id: scene.member,
        name: called("Zoe Miller"),
        ..contacts_events::samples::contact_changed_v2()
    };
    let linked = joined(contact.contact_id, scene.member);

    scene.app.receives(&contact).await;
    scene.app.receives(&changed).await;
    scene.app.receives_as(&contact, 1).await;
    scene.app.receives(&linked).await;
    scene.app.receives(&linked).await;

    scene.app.published_once::<Delivered>(in_app).await;
    assert_eq!(scene.titles().await, ["Zoe Miller has joined Kith"]);
    scene.app.finish().await;
}

#[tokio::test]
async fn a_link_to_someone_who_was_there_before_is_not_told() {
    let scene = start().await;
    let contact = added(scene.member, "Zoe");
    scene.app.receives(&contact).await;

    scene.app.receives(&IdentityLinked { joined: false, ..joined(contact.contact_id, scene.member) }).await;

    assert!(scene.titles().await.is_empty());
    scene.app.finish().await;
}

#[tokio::test]
async fn a_removed_contact_is_not_told_of_even_where_its_adding_comes_late() {
    let scene = start().await;
    let contact = added(scene.member, "Zoe");
    let removed = ContactRemoved {
        contact_id: contact.contact_id,
        owner_id: scene.member,
        ..contacts_events::samples::contact_removed()
    };

    scene.app.receives_as(&removed, 2).await;
    scene.app.receives_as(&contact, 1).await;
    scene.app.receives(&joined(contact.contact_id, scene.member)).await;

    assert!(scene.titles().await.is_empty());
    scene.app.finish().await;
}

#[tokio::test]
async fn a_link_that_comes_before_its_contact_waits_for_it() {
    let scene = start().await;
    let contact = added(scene.member, "Zoe");

    let ending = scene.app.receives(&joined(contact.contact_id, scene.member)).await;
    scene.app.receives(&contact).await;

    assert_eq!(ending.outcome, "waiting");
    scene.app.published_once::<Delivered>(in_app).await;
    scene.app.finish().await;
}

#[tokio::test]
async fn news_for_a_member_not_heard_of_yet_wait_for_them() {
    let scene = start_without_member().await;

    let ending = scene.app.receives(&import_finished(scene.member)).await;
    scene.app.receives(&registered(scene.member, "ada@example.org")).await;

    assert_eq!((ending.outcome, ending.reason.as_deref()), ("waiting", Some("the recipient is not known yet")));
    eventually("one notification", async || match scene.titles().await.len() {
        1 => Ok(()),
        seen => Err(seen.to_string()),
    })
    .await;
    scene.app.finish().await;
}

#[tokio::test]
async fn an_older_profile_does_not_undo_a_newer_one() {
    let scene = start_without_member().await;
    let changed = |email: &str| ProfileChanged {
        account_id: scene.member,
        email: email.to_owned(),
        ..accounts_events::samples::profile_changed()
    };

    scene.app.receives_as(&changed("new@example.org"), 3).await;
    scene.app.receives_as(&changed("old@example.org"), 2).await;
    scene.app.receives_as(&registered(scene.member, "first@example.org"), 1).await;

    let rows = scene.app.parts().store.query("select email from recipients", &[]).await.unwrap();
    assert_eq!(rows[0].get::<_, &str>(0), "new@example.org");
    scene.app.finish().await;
}

#[tokio::test]
async fn of_an_erased_account_nothing_is_kept_and_what_comes_late_is_dropped() {
    let scene = start().await;
    let contact = added(scene.member, "Zoe");
    scene.app.receives(&contact).await;
    scene.app.receives(&import_finished(scene.member)).await;
    let erased = Erased { account_id: scene.member, ..accounts_events::samples::erased() };

    scene.app.receives(&erased).await;
    scene.app.receives(&erased).await;

    let confirmed = scene.app.published::<AccountDataErased>().await;
    let removed: Vec<u64> = confirmed.iter().map(|event| event.removed).collect();
    assert_eq!(removed, [3, 0], "the address, a notification and a contact's name; then nothing");
    nothing_is_kept_of(&scene).await;
    scene.app.receives_as(&registered(scene.member, "ada@example.org"), 9).await;
    scene.app.receives(&added(scene.member, "Max")).await;
    scene.app.receives(&import_finished(scene.member)).await;
    scene.app.receives(&joined(contact.contact_id, scene.member)).await;
    nothing_is_kept_of(&scene).await;
    scene.app.finish().await;
}

#[tokio::test]
async fn erasing_an_account_never_heard_of_keeps_others_out_of_harm() {
    let scene = start().await;
    scene.app.receives(&import_finished(scene.member)).await;

    scene.app.receives(&Erased { account_id: Uuid::new_v4(), ..accounts_events::samples::erased() }).await;

    assert_eq!(scene.titles().await.len(), 1);
    scene.app.finish().await;
}
