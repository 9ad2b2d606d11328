//! The digest: one mail about unread notifications, to members who want it.

use accounts_events::Erased;
use chrono::TimeDelta;
use notifications_events::{ChooseDigest, GetDigest, ListNotifications, MarkRead};
use skeleton::{
    Postgres,
    testing::{SmtpSink, TestApp, TestClock, World, eventually},
};
use uuid::Uuid;

use crate::common::{import_finished, registered};

/// Saturday noon, a service whose clock the test controls, and its mail.
struct Weekend {
    app: TestApp<Postgres>,
    sink: SmtpSink,
    clock: TestClock,
}

impl Weekend {
    async fn start() -> Self {
        let (sink, clock) = (SmtpSink::start().await, TestClock::at("2026-11-21T12:00:00Z"));
        let world = World::in_environment(clock.environment()).await;
        let app = world.start(notifications::service(), &[("mail", "url", &sink.url())]).await;
        eventually("a registered schedule", async || {
            let rows = app.parts().store.query("select from skeleton.schedules", &[]).await.unwrap();
            if rows.is_empty() { Err("none".to_owned()) } else { Ok(()) }
        })
        .await;
        Self { app, sink, clock }
    }

    /// A member with this many unread notifications.
    async fn member(&self, email: &str, unread: usize) -> Uuid {
        let account = Uuid::new_v4();
        self.app.receives(&registered(account, email)).await;
        for _ in 0..unread {
            self.app.receives(&import_finished(account)).await;
        }
        account
    }

    /// Monday, eight o'clock in Berlin.
    fn monday(&self) {
        self.clock.jump(TimeDelta::hours(43));
    }

    /// Waits until the newest digest has been gathered and mailed.
    async fn is_out(&self, runs: usize) {
        eventually("the end of the digest", async || {
            let sql = "select from skeleton.schedule_runs r join skeleton.jobs g using (job_id) where g.state = 'done'";
            let gathered = self.app.parts().store.query(sql, &[]).await.unwrap().len();
            let open = "select from skeleton.jobs where state <> 'done'";
            let open = self.app.parts().store.query(open, &[]).await.unwrap().len();
            if (gathered, open) == (runs, 0) { Ok(()) } else { Err(format!("{gathered} gathered, {open} open")) }
        })
        .await;
    }

    /// The addresses that received mail, sorted.
    async fn addressees(&self) -> Vec<String> {
        let mut all: Vec<String> = self.sink.mails().await.into_iter().flat_map(|mail| mail.to).collect();
        all.sort();
        all
    }
}

#[tokio::test]
async fn on_monday_those_with_something_unread_get_one_mail_that_names_it() {
    let weekend = Weekend::start().await;
    let account = weekend.member("ada@example.org", 12).await;
    weekend.member("zoe@example.org", 0).await;

    weekend.monday();

    weekend.is_out(1).await;
    let mails = weekend.sink.mails().await;
    assert_eq!(weekend.addressees().await, ["ada@example.org"]);
    let id = format!("Message-ID: <digest-20261123T070000-{account}@kith>");
    for text in
        ["Subject: You have 12 unread notifications", &id, "- Imported 119 contacts from Connections.csv", "and 2 more"]
    {
        assert!(mails[0].raw.contains(text), "{text} is missing from:\n{}", mails[0].raw);
    }
    weekend.app.finish().await;
}

#[tokio::test]
async fn a_week_later_there_is_another_and_two_replicas_send_each_once() {
    let weekend = Weekend::start().await;
    weekend.member("ada@example.org", 1).await;
    let replica = weekend.app.replica(notifications::service()).await;

    weekend.monday();
    weekend.is_out(1).await;
    weekend.clock.jump(TimeDelta::days(7));
    weekend.is_out(2).await;

    assert_eq!(weekend.addressees().await, ["ada@example.org", "ada@example.org"]);
    assert!(replica.stop().await);
    weekend.app.finish().await;
}

#[tokio::test]
async fn who_wants_none_has_read_all_or_is_gone_gets_none() {
    let weekend = Weekend::start().await;
    let unwilling = weekend.member("no@example.org", 1).await;
    let reader = weekend.member("read@example.org", 1).await;
    let gone = weekend.member("gone@example.org", 1).await;
    weekend.member("ada@example.org", 1).await;
    let asked = weekend.app.call(&GetDigest { account_id: unwilling }).await.unwrap();
    assert!(asked.wanted, "a member who has not chosen gets the digest");
    assert!(!weekend.app.call(&ChooseDigest { account_id: unwilling, wanted: false }).await.unwrap().wanted);
    assert!(!weekend.app.call(&GetDigest { account_id: unwilling }).await.unwrap().wanted);
    let feed = ListNotifications { account_id: reader, cursor: None, limit: None };
    let read = weekend.app.call(&feed).await.unwrap().items[0].notification_id;
    weekend.app.call(&MarkRead { account_id: reader, notification_id: read }).await.unwrap();
    weekend.app.receives(&Erased { account_id: gone, ..accounts_events::samples::erased() }).await;

    weekend.monday();

    weekend.is_out(1).await;
    assert_eq!(weekend.addressees().await, ["ada@example.org"]);
    weekend.app.finish().await;
}

#[tokio::test]
async fn what_is_unread_for_less_than_a_day_waits_for_the_next() {
    let weekend = Weekend::start().await;
    weekend.clock.jump(TimeDelta::hours(42));
    weekend.member("ada@example.org", 1).await;

    weekend.clock.jump(TimeDelta::hours(1));

    weekend.is_out(1).await;
    assert!(weekend.addressees().await.is_empty());
    weekend.clock.jump(TimeDelta::days(7));
    weekend.is_out(2).await;
    assert_eq!(weekend.addressees().await, ["ada@example.org"]);
    weekend.app.finish().await;
}
