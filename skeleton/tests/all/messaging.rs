//! Tests of events and jobs, on a real broker and a real Postgres.

use accounts_events::Registered;
use contacts_events::{ContactRemoved, ImportFile};
use skeleton::{
    Environment, Postgres,
    store::{Decisions, Store},
    testing::{TestApp, eventually, somebody},
};
use uuid::Uuid;

use crate::probe;

fn account(name: &str) -> Registered {
    Registered { account_id: Uuid::new_v4(), name: name.to_owned(), ..accounts_events::samples::registered() }
}

async fn effects(app: &TestApp<Postgres>, contact: Uuid) -> i32 {
    let row =
        app.parts().store.query_opt("select times from effects where contact_id = $1", &[&contact]).await.unwrap();
    row.map_or(0, |row| row.get(0))
}

#[tokio::test]
async fn an_event_has_its_effect_and_what_it_causes_is_published_with_its_trace() {
    let app = TestApp::start(probe::service(), &[]).await;
    let added = account("Zoë");
    let envelope = app.world().envelope_for(&added);

    let ending = app.receives_in(&added, &envelope).await;

    assert_eq!(ending.outcome, "done");
    assert_eq!(effects(&app, added.account_id).await, 1);
    let (published, removed) =
        app.published_once_in::<ContactRemoved>(|event| event.contact_id == added.account_id).await;
    assert_eq!(removed.owner_id, added.account_id);
    assert_eq!(published.causation_id, Some(envelope.id));
    assert_eq!(published.trace.unwrap().trace_id, envelope.trace.unwrap().trace_id);
    assert_eq!(published.sequence, Some(1));
    app.finish().await;
}

#[tokio::test]
async fn an_event_delivered_three_times_has_one_effect() {
    let app = TestApp::start(probe::service(), &[]).await;
    let added = account("Zoë");
    let envelope = app.world().envelope_for(&added);

    for _ in 0..3 {
        app.receives_in(&added, &envelope).await;
    }

    assert_eq!(effects(&app, added.account_id).await, 1);
    app.published_once::<ContactRemoved>(|event| event.contact_id == added.account_id).await;
    let metrics = reqwest::get(format!("{}/metrics", app.admin_url())).await.unwrap().text().await.unwrap();
    let is_duplicate =
        |line: &str| line.starts_with("messages_handled_total") && line.contains("outcome=\"duplicate\"");
    assert!(metrics.lines().any(is_duplicate), "{metrics}");
    app.finish().await;
}

#[tokio::test]
async fn a_refused_event_is_parked_at_once_and_leaves_nothing_else() {
    let app = TestApp::start(probe::service(), &[]).await;
    let added = account("refuse");

    let ending = app.receives(&added).await;

    assert_eq!(ending.outcome, "parked");
    assert_eq!(effects(&app, added.account_id).await, 0);
    let parked = app.parked().await;
    assert_eq!(parked.len(), 1);
    assert_eq!((parked[0].attempts, parked[0].reason.as_str()), (1, "this one is refused"));
    assert_eq!(parked[0].body, serde_json::to_vec(&added).unwrap());
    app.finish().await;
}

#[tokio::test]
async fn a_failing_event_is_tried_again_parked_in_the_end_and_redriven() {
    let app = TestApp::start(probe::service(), &[("retry", "waits_ms", "[20, 20]")]).await;
    let mut endings = app.parts().service.endings();
    let added = account("fail");

    app.world().publish(&added, &app.world().envelope_for(&added)).await;

    let mut outcomes = Vec::new();
    for _ in 0..3 {
        outcomes.push(endings.recv().await.unwrap().outcome);
    }
    assert_eq!(outcomes, ["waiting", "waiting", "parked"]);
    assert_eq!(effects(&app, added.account_id).await, 0);
    let parked = app.parked().await;
    assert_eq!(parked[0].attempts, 3);

    app.parts().store.redrive(&[parked[0].message], &somebody()).await.unwrap();

    assert_eq!(endings.recv().await.unwrap().outcome, "waiting");
    app.stop().await;
}

#[tokio::test]
async fn a_panic_is_a_failure_like_any_other_and_its_neighbours_go_on() {
    let app = TestApp::start(probe::service(), &[]).await;

    assert_eq!(app.receives(&account("panic")).await.outcome, "waiting");
    let added = account("Zoë");
    assert_eq!(app.receives(&added).await.outcome, "done");

    assert_eq!(effects(&app, added.account_id).await, 1);
    app.stop().await;
}

#[tokio::test]
async fn messages_that_cannot_be_read_are_parked_raw() {
    let app = TestApp::start(probe::service(), &[]).await;
    let mut endings = app.parts().service.endings();

    let properties = lapin::BasicProperties::default();
    app.world().publish_raw("events.accounts", "registered.v1", b"{]", properties).await;

    assert_eq!(endings.recv().await.unwrap().outcome, "parked");
    let parked = app.parked().await;
    assert_eq!(parked[0].body, b"{]");
    assert_eq!(parked[0].reason, "the attribute specversion is missing");
    app.finish().await;
}

#[tokio::test]
async fn a_batch_with_a_poison_message_keeps_all_its_neighbours() {
    let app = TestApp::start(probe::service(), &[]).await;
    let mut endings = app.parts().service.endings();
    let contacts: Vec<_> = (0..200).map(|n| account(if n % 50 == 7 { "refuse" } else { "Zoë" })).collect();

    for added in &contacts {
        app.world().publish(added, &app.world().envelope_for(added)).await;
    }
    for _ in &contacts {
        endings.recv().await.unwrap();
    }

    for added in &contacts {
        assert_eq!(effects(&app, added.account_id).await, i32::from(added.name != "refuse"));
    }
    assert_eq!(app.parked().await.len(), 4);
    assert_eq!(app.published::<ContactRemoved>().await.len(), 196);
    app.finish().await;
}

#[tokio::test]
async fn a_job_goes_on_in_steps_until_it_is_done() {
    let app = TestApp::start(probe::service(), &[]).await;
    let job = ImportFile { import_id: Uuid::new_v4(), position: 0 };

    app.world().publish(&job, &app.world().envelope_for(&job)).await;

    eventually("ten steps", async || {
        let rows = app
            .parts()
            .store
            .query("select position from steps where import_id = $1", &[&job.import_id])
            .await
            .unwrap();
        match rows.first().map(|row| row.get::<_, i64>(0)) {
            Some(10) => Ok(()),
            seen => Err(format!("{seen:?}")),
        }
    })
    .await;
    app.finish().await;
}

#[tokio::test]
async fn three_replicas_that_start_at_once_migrate_once() {
    let app = TestApp::start(probe::service(), &[]).await;
    let store = &app.parts().store;
    store.execute("drop schema skeleton cascade", &[]).await.unwrap();
    store.execute("drop table effects, steps", &[]).await.unwrap();

    let (first, second, third) = tokio::join!(store.migrate(), store.migrate(), store.migrate());

    first.and(second).and(third).unwrap();
    let rows = store.query("select version from skeleton.service_migrations", &[]).await.unwrap();
    assert_eq!(rows.len(), 1);
    app.finish().await;
}

#[tokio::test]
async fn what_a_transaction_that_is_dropped_has_written_is_gone() {
    let app = TestApp::start(probe::service(), &[]).await;
    let id = Uuid::new_v4();

    let mut tx = app.parts().store.begin(&app.parts().service, &[id]).await.unwrap();
    tx.execute("insert into effects (contact_id, times) values ($1, 1)", &[&id]).await.unwrap();
    drop(tx);

    let mut again = app.parts().store.begin(&app.parts().service, &[id]).await.unwrap();
    assert!(skeleton::store::Transaction::is_new(&again, id));
    assert!(again.query("select 1 from effects where contact_id = $1", &[&id]).await.unwrap().is_empty());
    drop(again);
    app.finish().await;
}

#[tokio::test]
async fn wrong_settings_are_all_named_at_once() {
    let mut settings = skeleton::Settings::read_with("contacts", "", Default::default()).unwrap();
    settings.set("broker", "url", "nonsense");
    settings.set("store", "url", "nonsense");
    settings.set("retry", "jitter", "a lot");
    settings.set("brokr", "url", "amqp://127.0.0.1");

    let Err(error) = probe::service().start(settings, Environment::system()).await else {
        panic!("the service started")
    };

    let text = error.to_string();
    for mistake in ["[broker]", "[store]", "[retry]", "[brokr]", "CONTACTS__RETRY__"] {
        assert!(text.contains(mistake), "{mistake} is missing from:\n{text}");
    }
}
