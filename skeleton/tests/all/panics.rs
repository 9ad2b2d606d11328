//! Tests of parts of a service that panic.

use std::{
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::Instant,
};

use accounts_events::Registered;
use contacts_events::ContactRemoved;
use skeleton::{
    HandlerResult, Postgres, Publish, Service, Subscriptions,
    store::{Store, Transaction, postgres::Tx},
    testing::{TestApp, eventually},
};
use uuid::Uuid;

use crate::probe;

/// How often a background task was started.
#[derive(Default)]
struct Starts(AtomicU32);

#[tokio::test]
async fn a_background_task_that_panics_or_returns_is_started_again() {
    let flaky = probe::service().with(Starts::default()).background("flaky", |app, stop| async move {
        match app.resource::<Starts>().0.fetch_add(1, Relaxed) {
            0 => {}
            1 => panic!("this time it panics"),
            _ => stop.stopped().await,
        }
    });
    let app = TestApp::start(flaky, &[]).await;

    eventually("a third start", async || match app.parts().resource::<Starts>().0.load(Relaxed) {
        3 => Ok(()),
        starts => Err(format!("{starts} starts")),
    })
    .await;

    assert_eq!(app.running().health().ready().status, "ready");
    app.finish().await;
}

#[tokio::test]
async fn a_singleton_that_panics_is_counted_and_started_again_and_makes_the_process_unready_if_it_goes_on() {
    let flaky = probe::service().with(Starts::default()).singleton("flaky singleton", |app, _, stop| async move {
        let start = app.resource::<Starts>().0.fetch_add(1, Relaxed);
        assert!(start >= 3, "the first three times it panics");
        stop.stopped().await;
    });
    let app = TestApp::start(flaky, &[("lease", "lasts_ms", "300")]).await;

    eventually("the process to be unready", async || match app.running().health().ready().status {
        "ready" => Err("ready".to_owned()),
        _ => Ok(()),
    })
    .await;
    eventually("a fourth start", async || match app.parts().resource::<Starts>().0.load(Relaxed) {
        4 => Ok(()),
        starts => Err(format!("{starts} starts")),
    })
    .await;

    assert_eq!(restarts_of(&app, "flaky singleton").await, 3.0);
    app.finish().await;
}

/// How often parts of the process were restarted. Other tests in this process have no parts that panic.
async fn restarts_of(app: &TestApp<Postgres>, part: &str) -> f64 {
    let answer = reqwest::get(format!("{}/metrics", app.admin_url())).await.unwrap();
    let text = answer.text().await.unwrap();
    let of_part = text.lines().find(|line| line.starts_with("parts_restarted_total") && line.contains(part));
    of_part.map_or(0.0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
}

#[tokio::test]
async fn a_relay_that_panics_is_started_again_and_loses_nothing() {
    let app = TestApp::start(probe::service(), &[]).await;
    let store = &app.parts().store;
    // No build of ours writes this: an unreadable row.
    store.execute("alter table skeleton.outbox alter body drop not null", &[]).await.unwrap();
    let envelope = app.world().envelope_for(&contacts_events::samples::contact_removed());
    let envelope = serde_json::to_string(&envelope).unwrap();
    let broken = "insert into skeleton.outbox (exchange, routing_key, envelope) values ('events.contacts', 'contact-removed.v1', $1)";
    store.execute(broken, &[&envelope]).await.unwrap();
    let contact = Uuid::new_v4();
    let began = Instant::now();
    let mut tx = store.begin(&app.parts().service, &[]).await.unwrap();
    tx.publish(ContactRemoved { contact_id: contact, ..contacts_events::samples::contact_removed() }).unwrap();
    tx.commit().await.unwrap();

    eventually("the relay to be started again twice", async || match restarts_of(&app, "relay").await {
        few if few < 2.0 => Err(few.to_string()),
        _ => Ok(()),
    })
    .await;
    let rests = began.elapsed().as_secs_f64() + 2.0;
    let restarts = restarts_of(&app, "relay").await;
    assert!(restarts <= rests, "{restarts} restarts in {rests} s: it does not pause in between");
    store.execute("delete from skeleton.outbox where body is null", &[]).await.unwrap();

    app.published_once::<ContactRemoved>(|event| event.contact_id == contact).await;
    app.finish().await;
}

async fn on_registered(registered: Registered, _: &mut Tx) -> HandlerResult {
    panic!("no place for {} of {}", registered.email, registered.account_id);
}

#[tokio::test]
async fn a_message_whose_handler_panicked_is_parked_with_the_masked_text_and_the_stack() {
    let service = Service::named("contacts")
        .store(Postgres::migrated_by(probe::MIGRATIONS))
        .consumes(Subscriptions::new().on(on_registered));
    let app = TestApp::start(service, &[("retry", "waits_ms", "[]")]).await;
    let email = "zoe.secret@example.org".parse().unwrap();
    let registered = Registered { account_id: Uuid::new_v4(), email, ..accounts_events::samples::registered() };

    assert_eq!(app.receives(&registered).await.outcome, "parked");

    let parked = app.parked().await.remove(0);
    let ending = format!(": no place for ••• of {}", registered.account_id);
    assert!(parked.reason.contains("panics.rs:") && parked.reason.ends_with(&ending), "{}", parked.reason);
    let stack = parked.stack.clone().unwrap();
    assert!(stack.contains("panics::on_registered"), "{stack}");
    let page = reqwest::get(format!("{}/parked/{}", app.admin_url(), parked.message)).await.unwrap();
    let page = page.text().await.unwrap();
    assert!(page.contains("panics::on_registered") && !page.contains("zoe.secret"), "{page}");
    app.finish().await;
}
