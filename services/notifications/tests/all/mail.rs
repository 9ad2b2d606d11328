//! Mail is sent by SMTP: once, to the newest address, and only if the member wants it.

use crate::common::{Scene, added, import_finished, joined, registered, signed_in, start, start_without_member};
use accounts_events::Erased;
use notifications_events::{
    ChangePreferences, Delivered, DeliveredChannel, Failed, Preference, PreferenceKind, SendMail,
};
use skeleton::testing::eventually;
use uuid::Uuid;

fn mailed(event: &Delivered) -> bool {
    event.channel == DeliveredChannel::Email
}

async fn prefer(scene: &Scene, kind: PreferenceKind, in_app: bool, email: bool) {
    let items = vec![Preference { kind, in_app, email }];
    scene.app.call(&ChangePreferences { account_id: scene.member, items }).await.unwrap();
}

#[tokio::test]
async fn a_new_device_is_mailed_with_what_to_do() {
    let scene = start().await;

    scene.app.receives(&signed_in(scene.member, true)).await;

    let delivered = scene.app.published_once::<Delivered>(mailed).await;
    let mails = scene.sink.mails().await;
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].to, ["ada@example.org"]);
    let id = format!("Message-ID: <{}@kith>", delivered.notification_id);
    for text in ["Subject: New sign-in to your account", "From: Kith <kith@localhost>", &id, "open your profile"] {
        assert!(mails[0].raw.contains(text), "{text} is missing from:\n{}", mails[0].raw);
    }
    scene.app.finish().await;
}

#[tokio::test]
async fn someone_who_has_joined_is_mailed_about() {
    let scene = start().await;
    let contact = added(scene.member, "Zoe Miller");
    scene.app.receives(&contact).await;

    scene.app.receives(&joined(contact.contact_id, scene.member)).await;

    scene.app.published_once::<Delivered>(mailed).await;
    assert!(scene.sink.mails().await[0].raw.contains("Subject: Zoe Miller has joined Kith"));
    scene.app.finish().await;
}

#[tokio::test]
async fn a_mail_job_delivered_twice_is_one_mail() {
    let scene = start().await;
    scene.app.receives(&import_finished(scene.member)).await;
    let job = SendMail { notification_id: scene.feed().await.items[0].notification_id, account_id: scene.member };
    let envelope = scene.app.world().envelope_for(&job);

    scene.app.world().publish(&job, &envelope).await;
    scene.app.published_once::<Delivered>(mailed).await;
    let mut endings = scene.app.parts().service.endings();
    scene.app.world().publish(&job, &envelope).await;
    while endings.recv().await.unwrap().message != envelope.id {}

    scene.app.published_once::<Delivered>(mailed).await;
    assert_eq!(scene.sink.mails().await.len(), 1);
    scene.app.finish().await;
}

#[tokio::test]
async fn who_wants_mail_only_has_nothing_in_the_feed() {
    let scene = start().await;
    prefer(&scene, PreferenceKind::NewDevice, false, true).await;

    scene.app.receives(&signed_in(scene.member, true)).await;

    let delivered = scene.app.published_once::<Delivered>(|_| true).await;
    assert_eq!(delivered.channel, DeliveredChannel::Email);
    assert!(scene.titles().await.is_empty());
    scene.app.finish().await;
}

#[tokio::test]
async fn who_wants_nothing_gets_nothing() {
    let scene = start().await;
    prefer(&scene, PreferenceKind::NewDevice, false, false).await;

    scene.app.receives(&signed_in(scene.member, true)).await;

    assert!(scene.app.published::<Delivered>().await.is_empty());
    assert!(scene.titles().await.is_empty());
    scene.app.finish().await;
}

#[tokio::test]
async fn a_mail_refused_for_good_is_published_as_failed_and_done() {
    let scene = start_without_member().await;
    scene.app.receives(&registered(scene.member, "refused@example.org")).await;

    scene.app.receives(&signed_in(scene.member, true)).await;

    let failed = scene.app.published_once::<Failed>(|event| event.account_id == scene.member).await;
    assert_eq!(failed.reason, "the mail server permanently refused this mail");
    assert!(scene.app.published::<Delivered>().await.iter().all(|event| !mailed(event)));
    scene.app.finish().await;
}

#[tokio::test]
async fn a_mail_refused_for_now_is_sent_later() {
    let scene = start_without_member().await;
    scene.app.receives(&registered(scene.member, "later@example.org")).await;
    scene.app.receives(&signed_in(scene.member, true)).await;
    eventually("a waiting mail", async || match scene.app.counts().await.waiting {
        1 => Ok(()),
        seen => Err(seen.to_string()),
    })
    .await;

    scene.app.receives_as(&registered(scene.member, "ada@example.org"), 2).await;

    scene.app.published_once::<Delivered>(mailed).await;
    assert_eq!(scene.sink.mails().await[0].to, ["ada@example.org"]);
    scene.app.finish().await;
}

#[tokio::test]
async fn mail_for_an_erased_account_is_not_sent() {
    let scene = start().await;
    scene.app.receives(&Erased { account_id: scene.member, ..accounts_events::samples::erased() }).await;
    let job = SendMail { notification_id: Uuid::new_v4(), account_id: scene.member };
    let mut endings = scene.app.parts().service.endings();

    let envelope = scene.app.world().envelope_for(&job);
    scene.app.world().publish(&job, &envelope).await;

    assert_eq!(endings.recv().await.unwrap().outcome, "done");
    assert!(scene.sink.mails().await.is_empty());
    scene.app.finish().await;
}
