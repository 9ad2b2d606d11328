//! The mail server has limits that all replicas together respect, and outages that lose no mail.

use std::{collections::BTreeSet, time::Duration};

use notifications_events::{Delivered, DeliveredChannel};
use skeleton::testing::{SmtpSink, eventually};

use crate::common::{Scene, registered, signed_in, start_with};

const PERIOD: Duration = Duration::from_millis(600);

/// Five mails in any 600 ms, two at once.
const LIMITS: [(&str, &str, &str); 5] = [
    ("partners.mail", "calls", "5"),
    ("partners.mail", "period_ms", "600"),
    ("partners.mail", "at_once", "2"),
    ("partners.mail", "call_timeout_ms", "2000"),
    ("partners.mail", "pause_ms", "300"),
];

async fn scene() -> Scene {
    let scene = start_with(SmtpSink::start_slow(Duration::from_millis(20)).await, &LIMITS).await;
    scene.app.receives(&registered(scene.member, "ada@example.org")).await;
    scene
}

/// Signs in this many times from a new device; each sign-in sends a mail.
async fn sign_in(scene: &Scene, times: usize) {
    let world = scene.app.world();
    for _ in 0..times {
        let event = signed_in(scene.member, true);
        world.publish(&event, &world.envelope_for(&event)).await;
    }
}

/// Waits until this many different mails have arrived, and checks that the server's limits were respected.
async fn arrived(scene: &Scene, count: usize) {
    let different = async || {
        let mails = scene.sink.mails().await;
        let id = |raw: &str| raw.lines().find(|line| line.starts_with("Message-ID")).map(str::to_owned);
        mails.iter().filter_map(|mail| id(&mail.raw)).collect::<BTreeSet<_>>().len()
    };
    eventually(&format!("{count} mails"), async || match different().await {
        seen if seen >= count => Ok(()),
        seen => Err(seen.to_string()),
    })
    .await;
    let visits = scene.sink.visits();
    assert!(visits.most_within(PERIOD) <= 5, "{} mails within {PERIOD:?}", visits.most_within(PERIOD));
    assert!(visits.most_at_once() <= 2, "{} mails at once", visits.most_at_once());
}

#[tokio::test]
async fn three_replicas_keep_to_the_providers_limits_while_one_is_killed_and_started_again() {
    let scene = scene().await;
    let program = env!("CARGO_BIN_EXE_notifications");
    let (second, third) = tokio::join!(scene.app.process(program), scene.app.process(program));
    sign_in(&scene, 40).await;

    arrived(&scene, 12).await;
    second.kill().await;
    let started_again = scene.app.process(program).await;
    arrived(&scene, 40).await;

    assert_eq!(scene.app.counts().await.parked, 0);
    third.kill().await;
    started_again.kill().await;
    scene.app.finish().await;
}

#[tokio::test]
async fn a_mail_server_that_is_away_costs_no_mail_an_attempt() {
    let scene = scene().await;
    scene.sink.set_away(true);
    sign_in(&scene, 3).await;
    eventually("another call to the server after a pause", async || match scene.sink.visits().count() {
        seen if seen > 5 => Ok(()),
        seen => Err(seen.to_string()),
    })
    .await;
    let counts = scene.app.counts().await;
    assert_eq!((counts.waiting, counts.parked), (0, 0));

    scene.sink.set_away(false);

    arrived(&scene, 3).await;
    eventually("three mails reported as delivered", async || {
        let told = scene.app.published::<Delivered>().await;
        match told.iter().filter(|event| event.channel == DeliveredChannel::Email).count() {
            3 => Ok(()),
            seen => Err(seen.to_string()),
        }
    })
    .await;
    scene.app.finish().await;
}
