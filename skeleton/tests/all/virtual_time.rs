//! Virtual time: delayed jobs, timeouts of sagas, schedules and retries follow a clock that the test moves.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use accounts_events::Registered;
use chrono::{TimeDelta, Utc};
use contacts_events::ImportFile;
use neo4rs::query;
use serde::{Deserialize, Serialize};
use skeleton::{
    Delay, Failure, HandlerResult, Jobs, Missed, Neo4j, Postgres, Progress, Publish, Saga, SagaState, Schedules,
    Service, Subscriptions,
    store::{Delays, Store, Transaction, neo4j, postgres::Tx},
    testing::{TestApp, TestClock, World, eventually},
};
use uuid::Uuid;

const MIGRATIONS: &[(&str, &str)] =
    &[("V1__done", "create table done (import_id uuid not null, position bigint generated always as identity)")];

/// A saga that times out after an hour, and again an hour later.
#[derive(Default, Serialize, Deserialize)]
struct Reminding {
    reminders: u32,
}

impl SagaState for Reminding {
    const NAME: &'static str = "reminding";
}

/// Whether a partner answers.
#[derive(Clone, Default)]
struct Partner(Arc<AtomicBool>);

fn service(partner: &Partner) -> Service<Postgres> {
    let job = |_| ImportFile { import_id: Uuid::nil(), position: 0 };
    Service::named("contacts")
        .store(Postgres::migrated_by(MIGRATIONS))
        .consumes(Subscriptions::new().on(on_registered))
        .jobs(Jobs::new().on(import_file))
        .schedules(Schedules::new().cron("nightly", "0 3 * * *", Missed::One, job))
        .sagas()
        .with(partner.clone())
}

async fn on_registered(_: Registered, tx: &mut Tx) -> HandlerResult {
    match tx.resource::<Partner>().0.load(Relaxed) {
        true => Ok(()),
        false => Err(Failure::retry("the partner does not answer")),
    }
}

async fn import_file(job: ImportFile, tx: &mut Tx) -> Result<Progress<ImportFile>, Failure> {
    if let Some(mut saga) = Saga::<Reminding>::timed_out(tx, job.import_id).await? {
        saga.state.reminders += 1;
        saga.step(tx, "reminded").await?;
        let due = tx.now() + TimeDelta::hours(1);
        saga.time_out(tx, job.clone(), due).await?;
    }
    tx.execute("insert into done (import_id) values ($1)", &[&job.import_id]).await?;
    Ok(Progress::Done)
}

async fn start(clock: &TestClock, partner: &Partner, settings: &[(&str, &str, &str)]) -> TestApp<Postgres> {
    World::in_time_of(clock).await.start(service(partner), settings).await
}

async fn done(app: &TestApp<Postgres>, import: Uuid) -> usize {
    app.parts().store.query("select from done where import_id = $1", &[&import]).await.unwrap().len()
}

async fn is_done(app: &TestApp<Postgres>, import: Uuid, times: usize) {
    eventually(&format!("the job ran {times} times"), async || match done(app, import).await {
        seen if seen == times => Ok(()),
        seen => Err(format!("{seen}")),
    })
    .await;
}

#[tokio::test]
async fn a_delayed_job_is_done_when_its_month_has_passed_and_not_before() {
    let app = start(&TestClock::running(), &Partner::default(), &[]).await;
    let import = Uuid::new_v4();
    app.advance(TimeDelta::days(3)).await;
    let mut tx = app.parts().store.begin(&app.parts().service, &[]).await.unwrap();
    let due = tx.now() + TimeDelta::days(30);
    tx.enqueue_at(ImportFile { import_id: import, position: 0 }, due).await.unwrap();
    tx.commit().await.unwrap();

    app.advance(TimeDelta::days(29)).await;
    let wait = app.parts().store.until_due().await.unwrap().expect("a job is delayed");
    assert!((23..=24).contains(&(wait.as_secs().div_ceil(3600))), "{wait:?}");
    app.advance(TimeDelta::days(1)).await;

    is_done(&app, import, 1).await;
    app.finish().await;
}

#[tokio::test]
async fn a_saga_times_out_each_time_its_hour_has_passed() {
    let app = start(&TestClock::running(), &Partner::default(), &[]).await;
    let id = Uuid::new_v4();
    let mut tx = app.parts().store.begin(&app.parts().service, &[]).await.unwrap();
    let mut saga = Saga::begin(&mut tx, id, Reminding::default()).await.unwrap().unwrap();
    let due = tx.now() + TimeDelta::hours(1);
    saga.time_out(&mut tx, ImportFile { import_id: id, position: 0 }, due).await.unwrap();
    tx.commit().await.unwrap();

    for reminders in 1..=3 {
        app.advance(TimeDelta::hours(1)).await;
        is_done(&app, id, reminders).await;
    }

    let seen = skeleton::saga::state_of::<Reminding, _>(&app.parts().store, id).await.unwrap().unwrap();
    assert_eq!((seen.reminders, app.parts().store.delayed().await.unwrap()), (3, 1));
    app.finish().await;
}

#[tokio::test]
async fn a_schedule_runs_each_night_that_passes() {
    let app = start(&TestClock::running_from("2026-11-02T20:00:00Z"), &Partner::default(), &[]).await;
    eventually("a stored schedule", async || {
        let rows = app.parts().store.query("select from skeleton.schedules", &[]).await.unwrap();
        if rows.is_empty() { Err("none".to_owned()) } else { Ok(()) }
    })
    .await;

    for nights in 1..=3 {
        app.advance(TimeDelta::days(1)).await;
        is_done(&app, Uuid::nil(), nights).await;
    }
    app.finish().await;
}

#[tokio::test]
async fn a_message_that_waits_ten_minutes_for_its_next_try_is_tried_when_they_have_passed() {
    let partner = Partner::default();
    let app = start(&TestClock::running(), &partner, &[("retry", "waits_ms", "[600000]")]).await;
    assert_eq!(app.receives(&accounts_events::samples::registered()).await.outcome, "waiting");
    partner.0.store(true, Relaxed);

    app.advance(TimeDelta::minutes(15)).await;

    eventually("nothing waits", async || match app.counts().await.waiting {
        0 => Ok(()),
        seen => Err(format!("{seen}")),
    })
    .await;
    app.finish().await;
}

fn graph() -> Service<Neo4j> {
    Service::named("contacts").store(Neo4j::migrated_by(&[])).jobs(Jobs::new().on(note))
}

async fn note(job: ImportFile, tx: &mut neo4j::Tx) -> Result<Progress<ImportFile>, Failure> {
    tx.execute(query("CREATE (:Done {import: $import})").param("import", job.import_id.to_string())).await?;
    Ok(Progress::Done)
}

#[tokio::test]
async fn in_neo4j_too_a_delayed_job_is_done_when_its_time_has_passed() {
    let app = World::in_time_of(&TestClock::running()).await.start(graph(), &[]).await;
    let mut tx = app.parts().store.begin(&app.parts().service, &[]).await.unwrap();
    tx.enqueue_at(ImportFile { import_id: Uuid::nil(), position: 0 }, Utc::now() + TimeDelta::days(1)).await.unwrap();
    tx.commit().await.unwrap();

    app.advance(TimeDelta::days(1)).await;

    eventually("the job is done", async || {
        let done: Vec<i64> = app.parts().store.query(query("MATCH (done:Done) RETURN count(done)")).await.unwrap();
        if done == [1] { Ok(()) } else { Err(format!("{done:?}")) }
    })
    .await;
    app.finish().await;
}
