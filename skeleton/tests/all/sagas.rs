//! Sagas: one step at a time, timeouts that count only while the saga has them, and compensations in reverse order.

use std::time::Duration;

use accounts_events::Registered;
use chrono::{DateTime, TimeDelta, Utc};
use contacts_events::ImportFile;
use serde::{Deserialize, Serialize};
use skeleton::{
    Failure, HandlerResult, Jobs, Postgres, Progress, Saga, SagaState, Service, Subscriptions, saga,
    store::{Delays, SagaPhase, SagaRow, Sagas, Store, Transaction, postgres::Tx},
    testing::{TestApp, eventually},
};
use uuid::Uuid;

/// Counts, and records the timeouts it has seen.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Counting {
    count: u32,
    time_outs: u32,
}

impl SagaState for Counting {
    const NAME: &'static str = "counting";
}

/// The position of the job that is a timeout; others undo the step with that number.
const TIME_OUT: u32 = 0;

fn service() -> Service<Postgres> {
    Service::named("contacts")
        .store(Postgres::migrated_by(&[]))
        .consumes(Subscriptions::new().on(on_registered))
        .jobs(Jobs::new().on(import_file))
        .sagas()
}

/// The first event begins the saga; each event counts.
async fn on_registered(registered: Registered, tx: &mut Tx) -> HandlerResult {
    let found = Saga::<Counting>::find(tx, registered.account_id).await?;
    let mut counting = match found {
        Some(counting) => counting,
        None => Saga::begin(tx, registered.account_id, Counting::default())
            .await?
            .ok_or_else(|| Failure::retry("another handler has begun it"))?,
    };
    counting.state.count += 1;
    counting.step(tx, "counted").await
}

async fn import_file(job: ImportFile, tx: &mut Tx) -> Result<Progress<ImportFile>, Failure> {
    if job.position == TIME_OUT {
        if let Some(mut counting) = Saga::<Counting>::timed_out(tx, job.import_id).await? {
            counting.state.time_outs += 1;
            counting.step(tx, "timed out").await?;
        }
        return Ok(Progress::Done);
    }
    if let Some(counting) = Saga::<Counting>::compensating(tx, job.import_id).await? {
        let undone = ["undone 1", "undone 2", "undone 3"][job.position as usize - 1];
        counting.compensated(tx, undone).await?;
    }
    Ok(Progress::Done)
}

fn time_out(id: Uuid) -> ImportFile {
    ImportFile { import_id: id, position: TIME_OUT }
}

fn undo(id: Uuid, step: u32) -> ImportFile {
    ImportFile { import_id: id, position: step }
}

fn soon(milliseconds: i64) -> DateTime<Utc> {
    Utc::now() + TimeDelta::milliseconds(milliseconds)
}

fn registered(account_id: Uuid) -> Registered {
    Registered { account_id, ..accounts_events::samples::registered() }
}

async fn begin(app: &TestApp<Postgres>) -> Tx {
    app.parts().store.begin(&app.parts().service, &[]).await.unwrap()
}

async fn begun(app: &TestApp<Postgres>) -> Uuid {
    let id = Uuid::new_v4();
    let mut tx = begin(app).await;
    Saga::begin(&mut tx, id, Counting::default()).await.unwrap().unwrap();
    tx.commit().await.unwrap();
    id
}

async fn find(tx: &mut Tx, id: Uuid) -> Saga<Counting> {
    Saga::find(tx, id).await.unwrap().expect("the saga is running")
}

async fn row(app: &TestApp<Postgres>, id: Uuid) -> SagaRow {
    app.parts().store.find_saga("counting", id).await.unwrap().unwrap()
}

async fn log(app: &TestApp<Postgres>, id: Uuid) -> Vec<String> {
    let mut found = app.parts().store.sagas_of(id).await.unwrap();
    found.remove(0).1.into_iter().map(|step| step.what).collect()
}

async fn state(app: &TestApp<Postgres>, id: Uuid) -> Counting {
    saga::state_of(&app.parts().store, id).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_saga_begins_once() {
    let app = TestApp::start(service(), &[]).await;
    let id = begun(&app).await;
    let mut tx = begin(&app).await;

    let again = Saga::begin(&mut tx, id, Counting::default()).await.unwrap();

    assert!(again.is_none());
    tx.rollback().await;
    app.finish().await;
}

#[tokio::test]
async fn who_finds_a_saga_waits_for_whoever_takes_a_step() {
    let app = TestApp::start(service(), &[]).await;
    let id = begun(&app).await;
    let mut first = begin(&app).await;
    let mut found = find(&mut first, id).await;

    let (store, parts) = (app.parts().store.clone(), app.parts().service.clone());
    let mut waiting = tokio::spawn(async move {
        let mut second = store.begin(&parts, &[]).await.unwrap();
        let seen = find(&mut second, id).await.state.count;
        second.rollback().await;
        seen
    });
    assert!(tokio::time::timeout(Duration::from_millis(500), &mut waiting).await.is_err(), "both had it at once");
    found.state.count = 41;
    found.step(&mut first, "counted").await.unwrap();
    first.commit().await.unwrap();

    assert_eq!(waiting.await.unwrap(), 41);
    app.finish().await;
}

#[tokio::test]
async fn no_step_is_lost_when_three_replicas_take_them_at_once() {
    let app = TestApp::start(service(), &[("broker", "batch", "4"), ("broker", "prefetch", "4")]).await;
    let replicas = [app.replica(service()).await, app.replica(service()).await];
    let ids: Vec<Uuid> = (0..4).map(|_| Uuid::new_v4()).collect();

    for _ in 0..40 {
        for id in &ids {
            let event = registered(*id);
            app.world().publish(&event, &app.world().envelope_for(&event)).await;
        }
    }

    for id in ids {
        eventually("all are counted", async || match saga::state_of(&app.parts().store, id).await.unwrap() {
            Some(Counting { count: 40, .. }) => Ok(()),
            other => Err(format!("{other:?}")),
        })
        .await;
        assert_eq!(log(&app, id).await.len(), 41);
    }
    for replica in replicas {
        assert!(replica.stop().await);
    }
    app.stop().await;
}

#[tokio::test]
async fn a_step_whose_message_fails_was_never_taken() {
    let app = TestApp::start(service(), &[]).await;
    let id = begun(&app).await;
    let mut tx = begin(&app).await;
    let mut counting = find(&mut tx, id).await;
    counting.state.count = 1;
    counting.step(&mut tx, "counted").await.unwrap();
    counting.time_out(&mut tx, time_out(id), soon(0)).await.unwrap();

    tx.rollback().await;

    assert_eq!(state(&app, id).await, Counting::default());
    assert_eq!(log(&app, id).await, ["begun"]);
    assert_eq!(app.parts().store.delayed().await.unwrap(), 0);
    app.finish().await;
}

#[tokio::test]
async fn a_time_out_that_had_to_wait_for_room_is_still_the_sagas() {
    let narrow = || service().jobs(Jobs::new().on(import_file).at_most::<ImportFile>(1));
    let app = TestApp::start(narrow(), &[]).await;
    let store = &app.parts().store;
    let id = begun(&app).await;
    // Another job has the only slot.
    let other = Uuid::new_v4();
    eventually("a slot", async || match store.query("select from skeleton.job_slots", &[]).await.unwrap().len() {
        1 => Ok(()),
        seen => Err(format!("{seen}")),
    })
    .await;
    store.execute("update skeleton.job_slots set job_id = $1", &[&other]).await.unwrap();
    let mut tx = begin(&app).await;
    find(&mut tx, id).await.time_out(&mut tx, time_out(id), soon(0)).await.unwrap();
    tx.commit().await.unwrap();
    eventually("a timeout that waits for a slot", async || {
        match store.query("select from skeleton.jobs where kept_envelope is not null", &[]).await.unwrap().len() {
            1 => Ok(()),
            seen => Err(format!("{seen}")),
        }
    })
    .await;

    store.execute("update skeleton.job_slots set job_id = null", &[]).await.unwrap();

    eventually("it has timed out", async || match state(&app, id).await.time_outs {
        1 => Ok(()),
        seen => Err(format!("{seen}")),
    })
    .await;
    app.finish().await;
}

#[tokio::test]
async fn a_time_out_comes_once_and_the_log_names_the_message() {
    let app = TestApp::start(service(), &[]).await;
    let id = begun(&app).await;
    let mut tx = begin(&app).await;
    find(&mut tx, id).await.time_out(&mut tx, time_out(id), soon(2_000)).await.unwrap();
    tx.commit().await.unwrap();
    let planned = row(&app, id).await.timeout.unwrap();

    eventually("it has timed out", async || match state(&app, id).await.time_outs {
        1 => Ok(()),
        other => Err(format!("{other} times")),
    })
    .await;

    let (saga, steps) = app.parts().store.sagas_of(id).await.unwrap().remove(0);
    assert_eq!(saga.timeout, None);
    let last = steps.last().unwrap();
    assert_eq!((last.what.as_str(), last.message), ("timed out", Some(planned.message)));
    app.finish().await;
}

#[tokio::test]
async fn a_time_out_that_was_replaced_has_no_effect_even_when_it_had_gone_out() {
    let app = TestApp::start(service(), &[]).await;
    let id = begun(&app).await;
    let mut tx = begin(&app).await;
    let mut counting = find(&mut tx, id).await;
    counting.time_out(&mut tx, time_out(id), soon(3_600_000)).await.unwrap();
    counting.time_out(&mut tx, time_out(id), soon(7_200_000)).await.unwrap();
    tx.commit().await.unwrap();

    // The replaced timeout arrives after all, as if it had been in transit.
    let mut endings = app.parts().service.endings();
    app.world().publish(&time_out(id), &app.world().envelope_for(&time_out(id))).await;

    assert_eq!(endings.recv().await.unwrap().outcome, "done");
    assert_eq!(app.parts().store.delayed().await.unwrap(), 1);
    assert_eq!(state(&app, id).await.time_outs, 0);
    assert!(row(&app, id).await.timeout.unwrap().due > soon(7_000_000));
    app.finish().await;
}

#[tokio::test]
async fn the_end_cancels_the_time_out_and_nobody_finds_the_saga_any_more() {
    let app = TestApp::start(service(), &[]).await;
    let id = begun(&app).await;
    let mut tx = begin(&app).await;
    let mut counting = find(&mut tx, id).await;
    counting.time_out(&mut tx, time_out(id), soon(3_600_000)).await.unwrap();

    counting.end(&mut tx, "finished").await.unwrap();
    tx.commit().await.unwrap();

    let ended = row(&app, id).await;
    assert_eq!((ended.phase, ended.timeout), (SagaPhase::Done, None));
    assert_eq!(app.parts().store.delayed().await.unwrap(), 0);
    let mut tx = begin(&app).await;
    assert!(Saga::<Counting>::find(&mut tx, id).await.unwrap().is_none());
    tx.rollback().await;
    app.finish().await;
}

#[tokio::test]
async fn what_was_done_is_undone_the_last_first() {
    let app = TestApp::start(service(), &[]).await;
    let id = begun(&app).await;
    for step in 1..=3 {
        let mut tx = begin(&app).await;
        let what = ["done 1", "done 2", "done 3"][step as usize - 1];
        find(&mut tx, id).await.step_undone_by(&mut tx, what, undo(id, step)).await.unwrap();
        tx.commit().await.unwrap();
    }
    let mut tx = begin(&app).await;
    find(&mut tx, id).await.step(&mut tx, "looked around").await.unwrap();

    find(&mut tx, id).await.give_up(&mut tx, "given up").await.unwrap();
    tx.commit().await.unwrap();

    eventually("all is undone", async || match row(&app, id).await.phase {
        SagaPhase::Compensated => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    let expected = [
        "begun",
        "done 1",
        "done 2",
        "done 3",
        "looked around",
        "given up",
        "undone 3",
        "undone 2",
        "undone 1",
        "all undone",
    ];
    assert_eq!(log(&app, id).await, expected);
    app.finish().await;
}

#[tokio::test]
async fn an_ended_saga_is_kept_for_its_time_and_then_forgotten_with_its_log() {
    let app = TestApp::start(service(), &[]).await;
    let (old, young) = (begun(&app).await, begun(&app).await);
    for id in [old, young] {
        let mut tx = begin(&app).await;
        find(&mut tx, id).await.end(&mut tx, "finished").await.unwrap();
        tx.commit().await.unwrap();
    }
    let store = &app.parts().store;
    let aged = "update skeleton.sagas set keep_until = keep_until - interval '31 days' where saga_id = $1";
    store.execute(aged, &[&old]).await.unwrap();

    // The service's own clean-up may be removing it, and this one skips it then.
    eventually("the old saga is forgotten", async || {
        store.clean_up("sagas", 1000).await.unwrap();
        match store.sagas_of(old).await.unwrap() {
            left if left.is_empty() => Ok(()),
            left => Err(format!("{left:?}")),
        }
    })
    .await;
    assert_eq!(store.sagas_of(young).await.unwrap().len(), 1);
    let steps = store.query("select 1 from skeleton.saga_steps where saga_id = $1", &[&old]).await.unwrap();
    assert!(steps.is_empty());
    let listed = store.list_sagas(Some(SagaPhase::Done), 10).await.unwrap();
    assert_eq!(listed.iter().map(|saga| saga.id).collect::<Vec<_>>(), [young]);
    app.finish().await;
}
