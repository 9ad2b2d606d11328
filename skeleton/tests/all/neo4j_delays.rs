//! Delayed jobs in Neo4j.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use contacts_events::ImportFile;
use skeleton::{
    Delay, Failure, Jobs, Neo4j, Progress, Service,
    store::{
        Delays, Store, Transaction,
        neo4j::{Tx, query},
    },
    testing::{TestApp, eventually},
};
use uuid::Uuid;

fn service() -> Service<Neo4j> {
    Service::named("contacts").store(Neo4j::migrated_by(&[])).jobs(Jobs::new().on(import_file))
}

async fn import_file(job: ImportFile, tx: &mut Tx) -> Result<Progress<ImportFile>, Failure> {
    let handled = "CREATE (:Handled {id: $id, at: datetime.realtime()})";
    tx.execute(query(handled).param("id", job.import_id.to_string())).await?;
    Ok(Progress::Done)
}

fn job(import_id: Uuid) -> ImportFile {
    ImportFile { import_id, position: 0 }
}

fn soon(milliseconds: i64) -> DateTime<Utc> {
    Utc::now() + TimeDelta::milliseconds(milliseconds)
}

async fn begin(app: &TestApp<Neo4j>) -> Tx {
    app.parts().store.begin(&app.parts().service, &[]).await.unwrap()
}

async fn handled(app: &TestApp<Neo4j>) -> Vec<Uuid> {
    let asked = query("MATCH (handled:Handled) RETURN handled.id AS id ORDER BY handled.at");
    app.parts().store.query(asked).await.unwrap()
}

async fn handled_are(app: &TestApp<Neo4j>, count: usize) -> Vec<Uuid> {
    eventually(&format!("{count} jobs are handled"), async || match handled(app).await {
        found if found.len() >= count => Ok(found),
        found => Err(format!("{} are", found.len())),
    })
    .await
}

#[tokio::test]
async fn delayed_jobs_go_out_once_over_replicas_and_cancelled_ones_never() {
    let app = TestApp::start(service(), &[]).await;
    let replicas = [app.replica(service()).await, app.replica(service()).await];
    let (mut imports, mut cancelled) = (BTreeSet::new(), Vec::new());
    let mut tx = begin(&app).await;
    for number in 0..60 {
        let import = Uuid::new_v4();
        let id = tx.enqueue_at(job(import), soon(4_000 + number)).await.unwrap();
        if number % 3 == 0 {
            cancelled.push(id);
        } else {
            imports.insert(import);
        }
    }
    tx.commit().await.unwrap();
    assert_eq!(app.parts().store.delayed().await.unwrap(), 60);

    let mut tx = begin(&app).await;
    for id in cancelled {
        assert!(tx.cancel(id).await.unwrap());
        assert!(!tx.cancel(id).await.unwrap());
    }
    tx.commit().await.unwrap();

    handled_are(&app, imports.len()).await;
    app.sent_everything().await;
    assert_eq!(app.parts().store.delayed().await.unwrap(), 0);
    let handled = handled(&app).await;
    assert_eq!(handled.len(), imports.len());
    assert_eq!(handled.into_iter().collect::<BTreeSet<_>>(), imports);
    for replica in replicas {
        assert!(replica.stop().await);
    }
    app.finish().await;
}

#[tokio::test]
async fn delayed_jobs_go_out_in_time_and_in_the_order_of_their_due_times() {
    let app = TestApp::start(service(), &[]).await;
    let imports: Vec<Uuid> = (0..50).map(|_| Uuid::new_v4()).collect();
    let due = soon(600);
    let mut tx = begin(&app).await;
    for (number, import) in (0i64..).zip(&imports).collect::<Vec<_>>().into_iter().rev() {
        tx.enqueue_at(job(*import), due + TimeDelta::milliseconds(number)).await.unwrap();
    }

    tx.commit().await.unwrap();

    assert!(handled(&app).await.is_empty() || Utc::now() >= due);
    assert_eq!(handled_are(&app, imports.len()).await, imports);
    app.finish().await;
}

#[tokio::test]
async fn what_is_not_committed_is_neither_delayed_nor_cancelled() {
    let app = TestApp::start(service(), &[]).await;
    let kept = Uuid::new_v4();
    let mut tx = begin(&app).await;
    let kept_id = tx.enqueue_at(job(kept), soon(4_000)).await.unwrap();
    tx.commit().await.unwrap();

    let mut tx = begin(&app).await;
    tx.enqueue_at(job(Uuid::new_v4()), soon(0)).await.unwrap();
    assert!(tx.cancel(kept_id).await.unwrap());
    tx.rollback().await;

    assert_eq!(handled_are(&app, 1).await, [kept]);
    app.sent_everything().await;
    assert_eq!(handled(&app).await.len(), 1);
    app.finish().await;
}
