//! Sagas in Neo4j.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use contacts_events::ImportFile;
use serde::{Deserialize, Serialize};
use skeleton::{
    Failure, Jobs, Neo4j, Progress, Saga, SagaState, Service,
    store::{
        Delays, SagaPhase, Sagas, Store, Transaction,
        neo4j::{Tx, query},
    },
    testing::{TestApp, eventually},
};
use uuid::Uuid;

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Counting {
    count: u32,
}

impl SagaState for Counting {
    const NAME: &'static str = "counting";
}

fn service() -> Service<Neo4j> {
    Service::named("contacts").store(Neo4j::migrated_by(&[])).jobs(Jobs::new().on(import_file)).sagas()
}

/// Position 0 is a timeout; others undo the step with that number.
async fn import_file(job: ImportFile, tx: &mut Tx) -> Result<Progress<ImportFile>, Failure> {
    if job.position == 0 {
        if let Some(mut counting) = Saga::<Counting>::timed_out(tx, job.import_id).await? {
            counting.state.count += 100;
            counting.step(tx, "timed out").await?;
        }
    } else if let Some(counting) = Saga::<Counting>::compensating(tx, job.import_id).await? {
        let undone = ["undone 1", "undone 2"][job.position as usize - 1];
        counting.compensated(tx, undone).await?;
    }
    Ok(Progress::Done)
}

fn job(import_id: Uuid, position: u32) -> ImportFile {
    ImportFile { import_id, position }
}

async fn begin(app: &TestApp<Neo4j>) -> Tx {
    app.parts().store.begin(&app.parts().service, &[]).await.unwrap()
}

async fn begun(app: &TestApp<Neo4j>) -> Uuid {
    let id = Uuid::new_v4();
    let mut tx = begin(app).await;
    Saga::begin(&mut tx, id, Counting::default()).await.unwrap().unwrap();
    tx.commit().await.unwrap();
    id
}

async fn find(tx: &mut Tx, id: Uuid) -> Saga<Counting> {
    Saga::find(tx, id).await.unwrap().expect("the saga is running")
}

async fn phase(app: &TestApp<Neo4j>, id: Uuid) -> SagaPhase {
    app.parts().store.find_saga("counting", id).await.unwrap().unwrap().phase
}

async fn log(app: &TestApp<Neo4j>, id: Uuid) -> Vec<String> {
    let mut found = app.parts().store.sagas_of(id).await.unwrap();
    found.remove(0).1.into_iter().map(|step| step.what).collect()
}

#[tokio::test]
async fn a_saga_begins_once_and_takes_one_step_at_a_time() {
    let app = TestApp::start(service(), &[]).await;
    let id = begun(&app).await;
    let mut tx = begin(&app).await;
    assert!(Saga::begin(&mut tx, id, Counting::default()).await.unwrap().is_none());
    tx.rollback().await;
    let mut first = begin(&app).await;
    let mut found = find(&mut first, id).await;

    let (store, service) = (app.parts().store.clone(), app.parts().service.clone());
    let mut waiting = tokio::spawn(async move {
        let mut second = store.begin(&service, &[]).await.unwrap();
        let seen = find(&mut second, id).await.state.count;
        second.rollback().await;
        seen
    });
    assert!(tokio::time::timeout(Duration::from_millis(500), &mut waiting).await.is_err(), "both had it at once");
    found.state.count = 41;
    found.step(&mut first, "counted").await.unwrap();
    first.commit().await.unwrap();

    assert_eq!(waiting.await.unwrap(), 41);
    assert_eq!(log(&app, id).await, ["begun", "counted"]);
    app.finish().await;
}

#[tokio::test]
async fn time_outs_come_once_and_go_with_the_saga() {
    let app = TestApp::start(service(), &[]).await;
    let (late, ended) = (begun(&app).await, begun(&app).await);
    let mut tx = begin(&app).await;
    let soon = Utc::now() + TimeDelta::milliseconds(300);
    find(&mut tx, late).await.time_out(&mut tx, job(late, 0), soon).await.unwrap();
    let mut ending = find(&mut tx, ended).await;
    ending.time_out(&mut tx, job(ended, 0), soon + TimeDelta::hours(1)).await.unwrap();
    ending.end(&mut tx, "finished").await.unwrap();
    tx.commit().await.unwrap();

    eventually("it has timed out", async || match log(&app, late).await {
        log if log == ["begun", "timed out"] => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;

    assert_eq!((phase(&app, late).await, phase(&app, ended).await), (SagaPhase::Running, SagaPhase::Done));
    assert_eq!(app.parts().store.delayed().await.unwrap(), 0);
    let listed = app.parts().store.list_sagas(Some(SagaPhase::Running), 10).await.unwrap();
    assert_eq!(listed.iter().map(|saga| saga.id).collect::<Vec<_>>(), [late]);
    app.finish().await;
}

#[tokio::test]
async fn what_was_done_is_undone_the_last_first_and_forgotten_in_the_end() {
    let app = TestApp::start(service(), &[]).await;
    let id = begun(&app).await;
    let mut tx = begin(&app).await;
    let mut saga = find(&mut tx, id).await;
    saga.step_undone_by(&mut tx, "done 1", job(id, 1)).await.unwrap();
    saga.step_undone_by(&mut tx, "done 2", job(id, 2)).await.unwrap();

    saga.give_up(&mut tx, "given up").await.unwrap();
    tx.commit().await.unwrap();

    eventually("all is undone", async || match phase(&app, id).await {
        SagaPhase::Compensated => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    let expected = ["begun", "done 1", "done 2", "given up", "undone 2", "undone 1", "all undone"];
    assert_eq!(log(&app, id).await, expected);
    let store = &app.parts().store;
    let aged = "MATCH (saga:Saga) SET saga.keep_until = datetime() - duration('P1D')";
    store.execute(query(aged)).await.unwrap();
    store.clean_up("sagas", 1000).await.unwrap();
    let left: Vec<i64> = store.query(query("MATCH (n) WHERE n:Saga OR n:SagaStep RETURN count(n)")).await.unwrap();
    assert_eq!(left, [0]);
    app.finish().await;
}
