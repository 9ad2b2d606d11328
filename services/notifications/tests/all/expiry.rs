//! Notifications are kept for 90 days.

use chrono::TimeDelta;
use notifications_events::ListNotifications;
use skeleton::testing::{SmtpSink, TestClock, World, eventually};
use uuid::Uuid;

use crate::common::{import_finished, registered};

#[tokio::test]
async fn notifications_are_deleted_after_90_days_read_or_not() {
    let (sink, clock) = (SmtpSink::start().await, TestClock::running());
    let world = World::in_time_of(&clock).await;
    let app = world.start(notifications::service(), &[("mail", "url", &sink.url())]).await;
    let account = Uuid::new_v4();
    app.receives(&registered(account, "ada@example.org")).await;
    // More than one batch of the clean-up.
    let old = "insert into notifications (notification_id, account_id, kind, about, title, body, in_app, created_at)
        select gen_random_uuid(), $1, 'new-device', gen_random_uuid(), 'old', 'old', true, now() - interval '89 days'
        from generate_series(1, 2500)";
    app.parts().store.execute(old, &[&account]).await.unwrap();
    app.receives(&import_finished(account)).await;
    let asked = ListNotifications { account_id: account, cursor: None, limit: None };
    assert_eq!(app.call(&asked).await.unwrap().unread, 2501);

    app.advance(TimeDelta::days(2)).await;
    // Housekeeping runs when a replica starts.
    let replica = app.replica(notifications::service()).await;

    let left = eventually("the end of the clean-up", async || match app.call(&asked).await.unwrap() {
        page if page.unread == 1 => Ok(page),
        page => Err(format!("{} unread", page.unread)),
    })
    .await;
    assert_eq!(left.items[0].title, "Imported 119 contacts from Connections.csv");
    assert!(replica.stop().await);
    app.finish().await;
}
