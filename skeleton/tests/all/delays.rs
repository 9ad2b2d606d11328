//! Delayed jobs run once, on time and in order, and never after they are cancelled.

use std::{collections::BTreeSet, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use contacts_events::ImportFile;
use skeleton::{
    Delay, Failure, Jobs, Postgres, Progress, Publish, Service,
    store::{Delays, Store, Transaction, postgres::Tx},
    testing::{TestApp, eventually},
};
use uuid::Uuid;

const MIGRATIONS: &[(&str, &str)] = &[(
    "V1__handled",
    "create table handled (position bigint generated always as identity, import_id uuid, at timestamptz not null)",
)];

fn service() -> Service<Postgres> {
    Service::named("contacts").store(Postgres::migrated_by(MIGRATIONS)).jobs(Jobs::new().on(import_file))
}

async fn import_file(job: ImportFile, tx: &mut Tx) -> Result<Progress<ImportFile>, Failure> {
    let now = tx.now();
    tx.execute("insert into handled (import_id, at) values ($1, $2)", &[&job.import_id, &now]).await?;
    Ok(Progress::Done)
}

fn job(import_id: Uuid) -> ImportFile {
    ImportFile { import_id, position: 0 }
}

fn soon(milliseconds: i64) -> DateTime<Utc> {
    Utc::now() + TimeDelta::milliseconds(milliseconds)
}

async fn begin(app: &TestApp<Postgres>) -> Tx {
    app.parts().store.begin(&app.parts().service, &[]).await.unwrap()
}

async fn enqueue_at(app: &TestApp<Postgres>, import: Uuid, due: DateTime<Utc>) -> Uuid {
    let mut tx = begin(app).await;
    let id = tx.enqueue_at(job(import), due).await.unwrap();
    tx.commit().await.unwrap();
    id
}

/// The handled jobs, in order, with their times.
async fn handled(app: &TestApp<Postgres>) -> Vec<(Uuid, DateTime<Utc>)> {
    let rows = app.parts().store.query("select import_id, at from handled order by position", &[]).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

async fn handled_are(app: &TestApp<Postgres>, count: usize) -> Vec<(Uuid, DateTime<Utc>)> {
    eventually(&format!("{count} jobs are handled"), async || match handled(app).await {
        found if found.len() >= count => Ok(found),
        found => Err(format!("{} are", found.len())),
    })
    .await
}

/// Waits until nothing is pending.
async fn nothing_is_left(app: &TestApp<Postgres>) {
    eventually("nothing is delayed", async || match app.parts().store.delayed().await.unwrap() {
        0 => Ok(()),
        left => Err(format!("{left} left")),
    })
    .await;
    app.sent_everything().await;
}

#[tokio::test]
async fn a_job_is_handled_when_it_is_due_and_not_before() {
    let app = TestApp::start(service(), &[]).await;
    let import = Uuid::new_v4();
    let due = soon(2_000);

    enqueue_at(&app, import, due).await;

    assert_eq!(app.parts().store.delayed().await.unwrap(), 1);
    let handled = handled_are(&app, 1).await;
    let late = handled[0].1 - due;
    assert!(late >= TimeDelta::zero() && late < TimeDelta::seconds(10), "the job was {late} late");
    app.finish().await;
}

#[tokio::test]
async fn a_short_delay_wakes_the_loop_that_sleeps() {
    let app = TestApp::start(service(), &[]).await;
    let mut lateness = Vec::new();

    for count in 1..=5 {
        let due = soon(50);
        enqueue_at(&app, Uuid::new_v4(), due).await;
        lateness.push(handled_are(&app, count).await[count - 1].1 - due);
    }

    // The loop sleeps half a second when nothing wakes it: five jobs in a row would not all be on time by accident.
    lateness.sort();
    assert!(lateness[2] < TimeDelta::milliseconds(250), "half of them were later than {}", lateness[2]);
    app.finish().await;
}

#[tokio::test]
async fn three_replicas_hand_each_job_out_once() {
    let app = TestApp::start(service(), &[]).await;
    let replicas = [app.replica(service()).await, app.replica(service()).await];
    let imports: BTreeSet<Uuid> = (0..600).map(|_| Uuid::new_v4()).collect();

    let mut tx = begin(&app).await;
    for (number, import) in (0..).zip(&imports) {
        tx.enqueue_at(job(*import), soon(number)).await.unwrap();
    }
    tx.commit().await.unwrap();

    handled_are(&app, imports.len()).await;
    nothing_is_left(&app).await;
    let handled = handled(&app).await;
    assert_eq!(handled.len(), imports.len());
    assert_eq!(handled.into_iter().map(|(import, _)| import).collect::<BTreeSet<_>>(), imports);
    for replica in replicas {
        assert!(replica.stop().await);
    }
    app.finish().await;
}

#[tokio::test]
async fn a_job_is_cancelled_or_handled_and_never_both() {
    let app = TestApp::start(service(), &[]).await;
    let replica = app.replica(service()).await;
    let mut jobs = Vec::new();
    for number in 0..200 {
        let import = Uuid::new_v4();
        jobs.push((import, enqueue_at(&app, import, soon(300 + number)).await));
    }

    let mut cancelled = BTreeSet::new();
    // From the one that is due last: the cancellations meet the jobs that are sent at this moment.
    for (import, id) in jobs.iter().rev() {
        let mut tx = begin(&app).await;
        if tx.cancel(*id).await.unwrap() {
            cancelled.insert(*import);
        }
        tx.commit().await.unwrap();
    }

    nothing_is_left(&app).await;
    let handled = handled_are(&app, jobs.len() - cancelled.len()).await;
    let handled: BTreeSet<Uuid> = handled.into_iter().map(|(import, _)| import).collect();
    assert!(handled.is_disjoint(&cancelled), "{} were cancelled and handled", handled.intersection(&cancelled).count());
    assert_eq!(handled.len() + cancelled.len(), jobs.len());
    assert!(replica.stop().await);
    app.finish().await;
}

#[tokio::test]
async fn of_a_cancel_and_a_move_at_the_same_moment_one_wins() {
    let app = TestApp::start(service(), &[]).await;
    let (first, second) = (Uuid::new_v4(), Uuid::new_v4());
    let far = soon(3_600_000);
    let (first_id, second_id) = (enqueue_at(&app, first, far).await, enqueue_at(&app, second, far).await);
    let mut cancelling = begin(&app).await;
    assert!(cancelling.cancel(first_id).await.unwrap());

    let now_due = "update skeleton.delayed set due_at = now() where message_id = $1";
    app.parts().store.execute(now_due, &[&second_id]).await.unwrap();

    // The job that is being cancelled does not block the others.
    assert_eq!(handled_are(&app, 1).await[0].0, second);
    cancelling.commit().await.unwrap();
    let mut late = begin(&app).await;
    assert!(!late.cancel(second_id).await.unwrap(), "it was already sent");
    late.rollback().await;
    nothing_is_left(&app).await;
    assert_eq!(handled(&app).await.len(), 1);
    app.finish().await;
}

#[tokio::test]
async fn what_is_not_committed_is_neither_delayed_nor_cancelled() {
    let app = TestApp::start(service(), &[]).await;
    let kept = Uuid::new_v4();
    let kept_id = enqueue_at(&app, kept, soon(3_000)).await;

    let mut tx = begin(&app).await;
    tx.enqueue_at(job(Uuid::new_v4()), soon(0)).await.unwrap();
    assert!(tx.cancel(kept_id).await.unwrap());
    tx.rollback().await;
    let mut tx = begin(&app).await;
    let own = tx.enqueue_at(job(Uuid::new_v4()), soon(0)).await.unwrap();
    assert!(tx.cancel(own).await.unwrap(), "a transaction can cancel its own job");
    assert!(!tx.cancel(own).await.unwrap(), "once");
    tx.commit().await.unwrap();

    assert_eq!(handled_are(&app, 1).await[0].0, kept);
    nothing_is_left(&app).await;
    assert_eq!(handled(&app).await.len(), 1);
    app.finish().await;
}

#[tokio::test]
async fn jobs_go_out_in_the_order_of_their_due_times() {
    let app = TestApp::start(service(), &[]).await;
    let imports: Vec<Uuid> = (0..400).map(|_| Uuid::new_v4()).collect();
    let due = soon(400);
    let mut tx = begin(&app).await;
    // Written in an order that differs from their due times.
    for (number, import) in (0i64..).zip(&imports).collect::<Vec<_>>().into_iter().rev() {
        tx.enqueue_at(job(*import), due + TimeDelta::microseconds(number)).await.unwrap();
    }

    tx.commit().await.unwrap();

    let handled: Vec<Uuid> = handled_are(&app, imports.len()).await.into_iter().map(|(import, _)| import).collect();
    assert_eq!(handled, imports);
    app.finish().await;
}

#[tokio::test]
async fn one_replica_moves_at_a_time_and_a_crash_in_the_middle_loses_nothing() {
    // Without job handlers, only the test moves jobs.
    let app = TestApp::start(Service::named("contacts").store(Postgres::migrated_by(MIGRATIONS)), &[]).await;
    let mut ids = Vec::new();
    for number in 0..3 {
        ids.push(enqueue_at(&app, Uuid::new_v4(), soon(number - 1000)).await);
    }
    let (mut moving, mut other) = (begin(&app).await, begin(&app).await);

    let taken = moving.take_due(1).await.unwrap();
    let elsewhere = other.take_due(10).await.unwrap();
    other.rollback().await;
    // The process dies: its connection is lost and the move is rolled back.
    drop(moving);

    assert_eq!(taken.iter().map(|job| job.envelope.id).collect::<Vec<_>>(), ids[..1]);
    assert!(elsewhere.is_empty(), "the next ones would overtake the first");
    let again = eventually("another replica moves", async || {
        let mut tx = begin(&app).await;
        let taken = tx.take_due(10).await.unwrap();
        tx.rollback().await;
        if taken.is_empty() { Err("the lock is still held".to_owned()) } else { Ok(taken) }
    })
    .await;
    assert_eq!(again.iter().map(|job| job.envelope.id).collect::<Vec<_>>(), ids);
    app.stop().await;
}

#[tokio::test]
async fn delayed_jobs_are_counted() {
    let app = TestApp::start(service(), &[]).await;
    enqueue_at(&app, Uuid::new_v4(), soon(3_600_000)).await;

    let metrics = async || {
        let answer = reqwest::get(format!("{}/metrics", app.admin_url())).await.unwrap();
        answer.text().await.unwrap()
    };

    eventually("the metric exists", async || {
        let text = metrics().await;
        let line = text.lines().find(|line| line.starts_with("messages_delayed"));
        line.map(str::to_owned).ok_or_else(|| "no line messages_delayed".to_owned())
    })
    .await;
    tokio::time::timeout(Duration::from_secs(10), app.stop()).await.unwrap();
}
