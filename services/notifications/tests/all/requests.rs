//! Members read their feed and choose their notifications.

use crate::common::{import_finished, signed_in, start};
use notifications_events::{
    ChangePreferences, GetPreferences, ListNotifications, MarkRead, Preference, PreferenceKind,
};
use skeleton::RequestOptions;
use uuid::Uuid;

#[tokio::test]
async fn a_feed_is_read_page_by_page_newest_first() {
    let scene = start().await;
    let mut expected = Vec::new();
    for number in 0..5 {
        let mut finished = import_finished(scene.member);
        finished.file_name = Some(format!("{number}.csv"));
        scene.app.receives(&finished).await;
        expected.insert(0, format!("Imported 119 contacts from {number}.csv"));
    }

    let mut titles = Vec::new();
    let mut cursor = None;
    loop {
        let asked = ListNotifications { account_id: scene.member, cursor, limit: Some(2) };
        let page = scene.app.call(&asked).await.unwrap();
        assert!(page.items.len() <= 2);
        assert_eq!(page.unread, 5);
        titles.extend(page.items.into_iter().map(|item| item.title));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }

    assert_eq!(titles, expected);
    scene.app.finish().await;
}

#[tokio::test]
async fn a_page_that_cannot_be_shown_is_refused_by_field() {
    let scene = start().await;
    let of_nobody = Some(Uuid::new_v4().to_string());

    for (field, cursor, limit) in
        [("cursor", Some("nonsense".to_owned()), None), ("cursor", of_nobody, None), ("limit", None, Some(0))]
    {
        let asked = ListNotifications { account_id: scene.member, cursor, limit };
        let problem = scene.app.call(&asked).await.unwrap_err();

        assert_eq!((problem.status, problem.errors[0].field.as_str()), (422, field));
    }
    scene.app.finish().await;
}

#[tokio::test]
async fn a_feed_holds_only_the_members_own() {
    let scene = start().await;
    scene.app.receives(&import_finished(scene.member)).await;

    let stranger = ListNotifications { account_id: Uuid::new_v4(), cursor: None, limit: None };
    let page = scene.app.call(&stranger).await.unwrap();

    assert_eq!((page.items.len(), page.unread), (0, 0));
    scene.app.finish().await;
}

#[tokio::test]
async fn what_is_read_stays_read() {
    let scene = start().await;
    scene.app.receives(&import_finished(scene.member)).await;
    scene.app.receives(&import_finished(scene.member)).await;
    let asked = MarkRead { account_id: scene.member, notification_id: scene.feed().await.items[0].notification_id };
    let asking = RequestOptions { id: Some(Uuid::new_v4()), ..RequestOptions::default() };

    scene.app.call_with(&asked, asking).await.unwrap();
    scene.app.call_with(&asked, asking).await.unwrap();
    scene.app.call(&asked).await.unwrap();

    let feed = scene.feed().await;
    assert_eq!((feed.unread, feed.items[0].read, feed.items[1].read), (1, true, false));
    scene.app.finish().await;
}

#[tokio::test]
async fn another_accounts_notification_cannot_be_marked() {
    let scene = start().await;
    scene.app.receives(&import_finished(scene.member)).await;
    let notification_id = scene.feed().await.items[0].notification_id;

    let problem = scene.app.call(&MarkRead { account_id: Uuid::new_v4(), notification_id }).await.unwrap_err();

    assert_eq!(problem.status, 404);
    assert_eq!(scene.feed().await.unread, 1);
    scene.app.finish().await;
}

#[tokio::test]
async fn preferences_begin_with_the_defaults_and_change_by_kind() {
    let scene = start().await;
    let changed = Preference { kind: PreferenceKind::ImportFinished, in_app: false, email: true };
    let asked = ChangePreferences { account_id: scene.member, items: vec![changed.clone()] };
    let asking = RequestOptions { id: Some(Uuid::new_v4()), ..RequestOptions::default() };

    let before = scene.app.call(&GetPreferences { account_id: scene.member }).await.unwrap();
    let first = scene.app.call_with(&asked, asking).await.unwrap();
    let second = scene.app.call_with(&asked, asking).await.unwrap();

    let channels: Vec<_> = before.items.iter().map(|item| (item.in_app, item.email)).collect();
    assert_eq!(channels, [(true, false), (true, false), (true, true), (true, true)]);
    assert_eq!(first.items[0], changed);
    assert_eq!(first.items[1..], before.items[1..]);
    assert_eq!(first, second);
    assert_eq!(scene.app.call(&GetPreferences { account_id: scene.member }).await.unwrap(), first);
    scene.app.finish().await;
}

#[tokio::test]
async fn one_accounts_preferences_are_not_anothers() {
    let scene = start().await;
    let items = vec![Preference { kind: PreferenceKind::NewDevice, in_app: false, email: false }];

    scene.app.call(&ChangePreferences { account_id: Uuid::new_v4(), items }).await.unwrap();
    scene.app.receives(&signed_in(scene.member, true)).await;

    assert_eq!(scene.titles().await.len(), 1);
    scene.app.finish().await;
}
