//! Tests of partners: limits shared by replicas, retries within a budget, a circuit breaker.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::future::join_all;
use skeleton::{
    Environment, Failure, Postgres, Problem, Settings,
    partner::{Fault, Partner, PartnerSettings},
    store::limits::{CallAdmission, SharedLimits},
    testing::{TestApp, Visits, eventually},
};
use uuid::Uuid;

use crate::probe;

/// Replicas, each with its own budget and breaker, on the same store.
fn replicas(app: &TestApp<Postgres>, settings: &PartnerSettings) -> Vec<Partner> {
    let replica = |_| Partner::new("post", settings.clone(), app.parts().store.clone(), Environment::system());
    (0..3).map(replica).collect()
}

/// A call that takes a while at the partner.
async fn visit(visits: &Visits, moment: Duration) -> Result<(), Fault> {
    let _visit = visits.begin();
    tokio::time::sleep(moment).await;
    Ok(())
}

#[tokio::test]
async fn three_replicas_together_keep_to_the_rate_and_to_the_calls_at_once() {
    let app = TestApp::start(probe::service(), &[]).await;
    let (visits, period) = (Visits::default(), Duration::from_millis(400));
    let settings = PartnerSettings { slot_timeout_ms: 20_000, ..PartnerSettings::of(8, 400, 3) };
    let partners = replicas(&app, &settings);

    let calls = (0..40).map(|n| partners[n % 3].call(|| visit(&visits, Duration::from_millis(15))));
    let answers = join_all(calls).await;

    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(visits.count(), 40);
    assert!(visits.most_within(period) <= 8, "{} calls within {period:?}", visits.most_within(period));
    assert!(visits.most_at_once() <= 3, "{} calls at once", visits.most_at_once());
    app.finish().await;
}

#[tokio::test]
async fn the_same_replicas_without_a_limit_come_all_at_once() {
    let app = TestApp::start(probe::service(), &[]).await;
    let visits = Visits::default();
    let partners = replicas(&app, &PartnerSettings::of(1000, 400, 1000));

    // All calls have arrived before the first may end.
    let together = tokio::sync::Barrier::new(12);
    let calls = (0..12).map(|n| {
        partners[n % 3].call(async || {
            let _visit = visits.begin();
            together.wait().await;
            Ok::<_, Fault>(())
        })
    });
    join_all(calls).await;

    assert_eq!((visits.most_at_once(), visits.most_within(Duration::from_secs(60))), (12, 12));
    app.finish().await;
}

#[tokio::test]
async fn what_a_killed_replica_held_is_free_when_its_call_could_have_lasted_no_longer() {
    let app = TestApp::start(probe::service(), &[]).await;
    let store = &app.parts().store;
    let settings = PartnerSettings { call_timeout_ms: 300, slot_timeout_ms: 5000, ..PartnerSettings::of(100, 100, 1) };
    let limit = skeleton::store::limits::Limit {
        partner: "post".to_owned(),
        calls: settings.calls,
        period: Duration::from_millis(100),
        at_once: 1,
        longest_call: Duration::from_millis(300),
    };
    let killed = Uuid::new_v4();
    let taken = eventually("a turn", async || {
        let asked = tokio::time::Instant::now();
        match store.take_turn(&limit, killed).await.unwrap() {
            CallAdmission::Now => Ok(asked),
            CallAdmission::After(wait) => Err(format!("{wait:?}")),
        }
    })
    .await;

    let visits = Visits::default();
    replicas(&app, &settings)[0].call(|| visit(&visits, Duration::ZERO)).await.unwrap();

    assert!(taken.elapsed() >= Duration::from_millis(290), "its place was given away after {:?}", taken.elapsed());
    store.end_turn(&limit, killed).await.unwrap();
    app.finish().await;
}

#[tokio::test]
async fn a_call_that_is_given_up_leaves_its_place() {
    let app = TestApp::start(probe::service(), &[]).await;
    let settings = PartnerSettings { slot_timeout_ms: 2000, ..PartnerSettings::of(100, 100, 1) };
    let partner = &replicas(&app, &settings)[0];
    let visits = Visits::default();

    let given_up = partner.call(|| visit(&visits, Duration::from_secs(60)));
    tokio::select! {
        _ = given_up => panic!("it should take a minute"),
        () = eventually("a visit", async || if visits.count() == 1 { Ok(()) } else { Err(String::new()) }) => {}
    }

    partner.call(|| visit(&visits, Duration::ZERO)).await.unwrap();
    assert_eq!((visits.count(), visits.most_at_once()), (2, 1));
    app.finish().await;
}

#[tokio::test]
async fn a_call_whose_turn_does_not_come_is_unavailable_and_not_made() {
    let app = TestApp::start(probe::service(), &[]).await;
    let settings = PartnerSettings { slot_timeout_ms: 1000, ..PartnerSettings::of(1, 60_000, 1) };
    let partners = replicas(&app, &settings);
    let visits = Visits::default();
    partners[0].call(|| visit(&visits, Duration::ZERO)).await.unwrap();

    let failure = partners[1].call(|| visit(&visits, Duration::ZERO)).await.unwrap_err();

    assert!(failure.is_unavailable(), "{failure}");
    assert_eq!(failure.to_string(), "post has no room for another call: waited 1000 ms");
    assert_eq!(visits.count(), 1);
    app.finish().await;
}

#[tokio::test]
async fn only_a_share_of_the_calls_is_made_again() {
    let app = TestApp::start(probe::service(), &[]).await;
    let settings = PartnerSettings { opens_after: 1000, retry_share: 0.2, ..PartnerSettings::of(1000, 1, 10) };
    let partner = &replicas(&app, &settings)[0];
    let made = AtomicUsize::new(0);

    for _ in 0..20 {
        let away = partner.call(async || {
            made.fetch_add(1, Ordering::Relaxed);
            Err::<(), _>(Fault::Away("is closed".to_owned()))
        });
        assert!(away.await.unwrap_err().is_unavailable());
    }

    let again = made.load(Ordering::Relaxed) - 20;
    assert!((1..=5).contains(&again), "20 calls were retried {again} times");
    app.finish().await;
}

#[tokio::test]
async fn a_partner_that_is_away_is_left_alone_and_called_again_when_it_is_back() {
    let app = TestApp::start(probe::service(), &[]).await;
    let settings =
        PartnerSettings { opens_after: 3, pause_ms: 300, retry_share: 0.0, ..PartnerSettings::of(1000, 1, 10) };
    let partner = &replicas(&app, &settings)[0];
    let (made, is_away) = (AtomicUsize::new(0), std::sync::atomic::AtomicBool::new(true));
    let call = async || {
        made.fetch_add(1, Ordering::Relaxed);
        if is_away.load(Ordering::Relaxed) { Err(Fault::Away("is closed".to_owned())) } else { Ok(()) }
    };

    for _ in 0..10 {
        assert!(partner.call(call).await.unwrap_err().is_unavailable());
    }
    assert_eq!(made.load(Ordering::Relaxed), 3);
    is_away.store(false, Ordering::Relaxed);

    eventually("an answer", async || partner.call(call).await.map_err(|failure| failure.to_string())).await;
    partner.call(call).await.unwrap();
    assert_eq!(made.load(Ordering::Relaxed), 5);
    app.finish().await;
}

#[tokio::test]
async fn what_a_partner_answers_is_no_sign_that_it_is_away() {
    let app = TestApp::start(probe::service(), &[]).await;
    let settings = PartnerSettings { opens_after: 1, ..PartnerSettings::of(1000, 1, 10) };
    let partner = &replicas(&app, &settings)[0];
    let made = Arc::new(AtomicUsize::new(0));

    for _ in 0..3 {
        let refused = partner.call(async || {
            made.fetch_add(1, Ordering::Relaxed);
            Err::<(), _>(Fault::Answer(Problem::new(422, "no", "not this one").into()))
        });
        assert!(matches!(refused.await, Err(Failure::Reject(_))));
    }

    assert_eq!(made.load(Ordering::Relaxed), 3);
    app.finish().await;
}

#[tokio::test]
async fn a_call_that_takes_too_long_is_cut_off() {
    let app = TestApp::start(probe::service(), &[]).await;
    let settings = PartnerSettings { call_timeout_ms: 50, attempts: 1, ..PartnerSettings::of(1000, 1, 1) };
    let visits = Visits::default();

    let slow = replicas(&app, &settings)[0].call(|| visit(&visits, Duration::from_secs(60))).await;

    assert_eq!(slow.unwrap_err().to_string(), "post did not answer within 50 ms");
    app.finish().await;
}

#[tokio::test]
async fn a_partners_wrong_settings_stop_the_start() {
    let mut settings = Settings::read_with("contacts", "", Default::default()).unwrap();
    settings.set("store", "url", "postgres://contacts@127.0.0.1/contacts");
    for (key, value) in [("calls", 0), ("period_ms", 1000), ("at_once", 1), ("attempts", 99)] {
        settings.set("partners.post", key, value);
    }
    settings.set("partners.pots", "calls", 1);
    let service = probe::service().partner("post", |_: serde::de::IgnoredAny, partner| Ok::<_, String>(partner));

    let Err(error) = service.start(settings, Environment::system()).await else { panic!("the service started") };

    let text = error.to_string();
    for mistake in ["[partners.post] calls must be", "[partners.post] attempts", "[partners.pots] is not a section"] {
        assert!(text.contains(mistake), "{mistake} is missing from:\n{text}");
    }
}
