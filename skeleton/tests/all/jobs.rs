//! Jobs: recorded, measured, cancelled, unique by key, and limited in number.

use std::collections::BTreeMap;

use contacts_events::ImportFile;
use skeleton::{
    Failure, HandlerResult, JobSteps, Jobs, Postgres, Problem, Progress, Service,
    store::{Decisions, JobRecord, JobRecords, JobState, Outbox, Signed, Store, Transaction, postgres::Tx},
    testing::{TestApp, eventually},
};
use uuid::Uuid;

const MIGRATIONS: &[(&str, &str)] = &[(
    "V1__steps",
    "create table orders (import_id uuid primary key, what text not null);
     create table steps (import_id uuid not null, step bigint not null, position bigint generated always as identity);
     create table cleaned (import_id uuid not null)",
)];

const STEPS: u32 = 5;

fn somebody() -> Signed {
    Signed::try_new("tester", "").unwrap()
}

fn service() -> Service<Postgres> {
    let jobs = Jobs::new().on_cancellable(step, clean_up);
    Service::named("contacts").store(Postgres::migrated_by(MIGRATIONS)).jobs(jobs)
}

pub fn limited() -> Service<Postgres> {
    let jobs = Jobs::new().on_cancellable(step, clean_up).at_most::<ImportFile>(1);
    Service::named("contacts").store(Postgres::migrated_by(MIGRATIONS)).jobs(jobs)
}

/// Five steps; with an order `spin` it never ends, with `refuse` it is refused.
async fn step(job: ImportFile, tx: &mut Tx) -> Result<Progress<ImportFile>, Failure> {
    let order = tx.query_opt("select what from orders where import_id = $1", &[&job.import_id]).await?;
    let order = order.map(|row| row.get::<_, String>(0));
    if order.as_deref() == Some("refuse") {
        return Err(Problem::new(422, "refused", "this step is refused").into());
    }
    tx.execute("insert into steps (import_id, step) values ($1, $2)", &[&job.import_id, &i64::from(job.position)])
        .await?;
    if order.as_deref() == Some("spin") {
        return Ok(Progress::More(job));
    }
    let position = job.position + 1;
    if position == STEPS {
        return Ok(Progress::Done);
    }
    let next = ImportFile { position, ..job };
    Ok(Progress::Measured { next, done: position.into(), total: STEPS.into() })
}

async fn clean_up(job: ImportFile, tx: &mut Tx) -> HandlerResult {
    tx.execute("insert into cleaned (import_id) values ($1)", &[&job.import_id]).await?;
    Ok(())
}

/// Enqueues a job for a new import, with an order about it. Returns the ids of the import and the job.
pub async fn enqueue(app: &TestApp<Postgres>, order: Option<&str>) -> (Uuid, Uuid) {
    let import = Uuid::new_v4();
    if let Some(order) = order {
        let sql = "insert into orders (import_id, what) values ($1, $2)";
        app.parts().store.execute(sql, &[&import, &order]).await.unwrap();
    }
    (import, enqueue_again(app, import).await)
}

pub async fn enqueue_again(app: &TestApp<Postgres>, import: Uuid) -> Uuid {
    let mut tx = app.parts().store.begin(&app.parts().service, &[]).await.unwrap();
    let id = tx.enqueue_once(&import.to_string(), ImportFile { import_id: import, position: 0 }).await.unwrap();
    tx.commit().await.unwrap();
    id
}

async fn forget_orders(app: &TestApp<Postgres>) {
    app.parts().store.execute("delete from orders", &[]).await.unwrap();
}

/// An app that runs no jobs, and one job of the given service, which waits in its queue.
pub async fn with_a_waiting_job(service: Service<Postgres>) -> (TestApp<Postgres>, Uuid, Uuid) {
    let app = TestApp::start(Service::named("contacts").store(Postgres::migrated_by(MIGRATIONS)), &[]).await;
    app.apply_topology(service, &[]).await;
    let (import, job) = enqueue(&app, None).await;
    app.sent_everything().await;
    (app, import, job)
}

pub async fn cancel(app: &TestApp<Postgres>, job: Uuid) -> bool {
    let mut tx = app.parts().store.begin(&app.parts().service, &[]).await.unwrap();
    let is_to_stop = tx.cancel_job(job).await.unwrap();
    tx.commit().await.unwrap();
    is_to_stop
}

pub async fn record(app: &TestApp<Postgres>, job: Uuid) -> JobRecord {
    app.parts().store.find_job(job).await.unwrap().expect("the job is recorded")
}

pub async fn is(app: &TestApp<Postgres>, job: Uuid, state: JobState) -> JobRecord {
    eventually(&format!("a job that is {state:?}"), async || match record(app, job).await {
        seen if seen.state == state => Ok(seen),
        seen => Err(format!("{seen:?}")),
    })
    .await
}

async fn has_begun(app: &TestApp<Postgres>, import: Uuid) {
    eventually("a first step", async || match steps(app).await.iter().any(|(id, _)| *id == import) {
        true => Ok(()),
        false => Err("none".to_owned()),
    })
    .await;
}

pub async fn steps(app: &TestApp<Postgres>) -> Vec<(Uuid, i64)> {
    let rows = app.parts().store.query("select import_id, step from steps order by position", &[]).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

pub async fn cleaned(app: &TestApp<Postgres>) -> Vec<Uuid> {
    let rows = app.parts().store.query("select import_id from cleaned", &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn a_job_is_recorded_from_the_queue_to_its_end_with_how_much_is_done() {
    let app = TestApp::start(service(), &[]).await;
    let (import, job) = enqueue(&app, Some("refuse")).await;

    let failed = is(&app, job, JobState::Failed).await;

    assert_eq!((failed.name.as_str(), failed.key), ("import-file", Some(import.to_string())));
    assert_eq!((failed.error.as_deref(), failed.done), (Some("this step is refused"), None));
    assert_eq!(app.parked().await.len(), 1);
    forget_orders(&app).await;
    assert!(app.parts().store.retry_job(job, &somebody()).await.unwrap());
    let done = is(&app, job, JobState::Done).await;
    assert_eq!((done.done, done.total, done.error), (Some(5), Some(5), None));
    assert!(done.queued_at <= done.started_at.unwrap() && done.started_at <= done.ended_at);
    assert!(!app.parts().store.retry_job(job, &somebody()).await.unwrap(), "there is nothing to retry");
    assert_eq!(app.parts().store.list_jobs(Some("import-file"), Some(JobState::Done), 10).await.unwrap().len(), 1);
    app.finish().await;
}

#[tokio::test]
async fn under_a_key_one_job_is_in_the_queue_or_runs_and_after_its_end_another_may() {
    let app = TestApp::start(service(), &[]).await;
    let (import, job) = enqueue(&app, Some("spin")).await;
    has_begun(&app, import).await;

    let again = futures::future::join_all((0..8).map(|_| enqueue_again(&app, import))).await;

    assert!(again.iter().all(|id| *id == job), "{job} {again:?}");
    forget_orders(&app).await;
    is(&app, job, JobState::Done).await;
    let next = enqueue_again(&app, import).await;
    assert_ne!(next, job);
    is(&app, next, JobState::Done).await;
    app.finish().await;
}

#[tokio::test]
async fn eight_at_once_under_one_new_key_are_one_job() {
    let app = TestApp::start(service(), &[]).await;
    let import = Uuid::new_v4();
    let sql = "insert into orders (import_id, what) values ($1, 'spin')";
    app.parts().store.execute(sql, &[&import]).await.unwrap();

    let ids = futures::future::join_all((0..8).map(|_| enqueue_again(&app, import))).await;

    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(app.parts().store.list_jobs(None, None, 100).await.unwrap().len(), 1);
    forget_orders(&app).await;
    is(&app, ids[0], JobState::Done).await;
    app.finish().await;
}

#[tokio::test]
async fn a_cancelled_job_runs_no_further_step_and_cleans_up_once() {
    let app = TestApp::start(service(), &[]).await;
    let (import, job) = enqueue(&app, Some("spin")).await;
    has_begun(&app, import).await;

    assert!(cancel(&app, job).await);

    let cancelled = is(&app, job, JobState::Cancelled).await;
    assert!(cancelled.ended_at.is_some());
    let after = steps(&app).await.len();
    assert_eq!(cleaned(&app).await, [import]);
    assert!(!cancel(&app, job).await, "it is at its end");
    let (_, other) = enqueue(&app, None).await;
    is(&app, other, JobState::Done).await;
    assert_eq!(steps(&app).await.len(), after + 5, "a cancelled job went on");
    app.finish().await;
}

#[tokio::test]
async fn a_job_that_waits_for_another_try_is_cancelled_at_once() {
    let app = TestApp::start(service(), &[("retry", "waits_ms", "[600000]")]).await;
    let (import, job) = enqueue(&app, None).await;
    is(&app, job, JobState::Done).await;
    let sql = "insert into orders (import_id, what) values ($1, 'spin')";
    let other = Uuid::new_v4();
    app.parts().store.execute(sql, &[&other]).await.unwrap();
    // A step that fails: its table is missing.
    app.parts().store.execute("alter table steps rename to away", &[]).await.unwrap();
    let waiting = enqueue_again(&app, other).await;
    let seen = is(&app, waiting, JobState::Waiting).await;
    assert!(seen.error.unwrap().contains("steps"));

    assert!(cancel(&app, waiting).await);

    is(&app, waiting, JobState::Cancelled).await;
    assert_eq!(cleaned(&app).await, [other]);
    assert_ne!(import, other);
    app.finish().await;
}

#[tokio::test]
async fn over_all_replicas_no_more_run_than_the_settings_allow_and_all_come_to_their_end() {
    let app = TestApp::start(limited(), &[("jobs", "import_file_at_most", "2")]).await;
    let (second, third) = (app.replica(limited()).await, app.replica(limited()).await);
    let mut jobs = Vec::new();
    for _ in 0..8 {
        jobs.push(enqueue(&app, None).await.1);
    }

    for job in &jobs {
        is(&app, *job, JobState::Done).await;
    }

    let steps = steps(&app).await;
    assert_eq!(steps.len(), 8 * 5);
    let mut span: BTreeMap<Uuid, (usize, usize)> = BTreeMap::new();
    for (place, (import, _)) in steps.iter().enumerate() {
        span.entry(*import).or_insert((place, place)).1 = place;
    }
    let most = (0..steps.len()).map(|place| span.values().filter(|(a, b)| (a..=b).contains(&&place)).count()).max();
    assert_eq!(most, Some(2), "how many ran at a time");
    assert!(second.stop().await && third.stop().await);
    app.finish().await;
}

#[tokio::test]
async fn a_job_without_room_waits_without_failing_and_can_be_cancelled_and_a_failed_one_makes_room() {
    let app = TestApp::start(limited(), &[]).await;
    let (running, first) = enqueue(&app, Some("spin")).await;
    has_begun(&app, running).await;
    let (kept, second) = enqueue(&app, None).await;
    let (_, third) = enqueue(&app, None).await;
    eventually("two jobs that are kept", async || {
        let sql = "select from skeleton.jobs where kept_envelope is not null";
        match app.parts().store.query(sql, &[]).await.unwrap().len() {
            2 => Ok(()),
            seen => Err(format!("{seen}")),
        }
    })
    .await;
    assert_eq!((record(&app, second).await.state, app.counts().await.waiting), (JobState::Queued, 0));

    assert!(cancel(&app, second).await);

    is(&app, second, JobState::Cancelled).await;
    assert_eq!(cleaned(&app).await, [kept]);
    app.parts().store.execute("update orders set what = 'refuse'", &[]).await.unwrap();
    is(&app, first, JobState::Failed).await;
    is(&app, third, JobState::Done).await;
    assert_eq!(app.parked().await.len(), 1);
    app.finish().await;
}

async fn are_kept(app: &TestApp<Postgres>, number: usize) {
    eventually("jobs that are kept", async || {
        let sql = "select from skeleton.jobs where kept_envelope is not null";
        match app.parts().store.query(sql, &[]).await.unwrap().len() {
            seen if seen == number => Ok(()),
            seen => Err(format!("{seen}")),
        }
    })
    .await;
}

#[tokio::test]
async fn a_kept_job_that_cannot_be_read_is_set_aside_and_the_next_one_runs() {
    let app = TestApp::start(limited(), &[]).await;
    let store = &app.parts().store;
    let (running, first) = enqueue(&app, Some("spin")).await;
    has_begun(&app, running).await;
    let (_, spoilt) = enqueue(&app, None).await;
    are_kept(&app, 1).await;
    let (_, behind) = enqueue(&app, None).await;
    are_kept(&app, 2).await;
    let sql = "select kept_envelope from skeleton.jobs where job_id = $1";
    let sound: String = store.query(sql, &[&spoilt]).await.unwrap()[0].get(0);
    let sql = "update skeleton.jobs set kept_envelope = 'spoilt' where job_id = $1";
    store.execute(sql, &[&spoilt]).await.unwrap();

    forget_orders(&app).await;

    is(&app, first, JobState::Done).await;
    is(&app, behind, JobState::Done).await;
    let failed = is(&app, spoilt, JobState::Failed).await;
    assert_eq!(failed.error.as_deref(), Some("its message cannot be read: invalid envelope at column 1"));
    assert_eq!(store.unreadable().await.unwrap(), 1);

    // The repair from docs/operations.md.
    store.execute("update skeleton.unreadable set envelope = $1", &[&sound]).await.unwrap();
    let back = "with mended as (delete from skeleton.unreadable where origin = 'jobs' returning *)
        update skeleton.jobs set state = 'queued', error = null, ended_at = null,
            kept_envelope = mended.envelope, kept_body = mended.body
        from mended where step = mended.message_id";
    assert_eq!(store.execute(back, &[]).await.unwrap(), 1);
    is(&app, spoilt, JobState::Done).await;
    app.finish().await;
}

/// A service whose `import-file` job kills its process three times and succeeds the fourth time.
fn deadly() -> Service<Postgres> {
    Service::named("contacts").store(Postgres::migrated_by(MIGRATIONS)).jobs(Jobs::new().on(step_that_kills))
}

async fn step_that_kills(_: ImportFile, _: &mut Tx) -> Result<Progress<ImportFile>, Failure> {
    let deaths = std::env::var("DEATHS").unwrap().parse::<u32>().unwrap();
    if deaths < 3 {
        std::process::abort();
    }
    Ok(Progress::Done)
}

#[tokio::test]
async fn a_keyed_job_that_has_killed_its_process_three_times_is_done_in_the_end_and_its_key_is_free() {
    let (app, import, job) = with_a_waiting_job(deadly()).await;
    let process = |deaths: u32| {
        let mut command = app.command(std::env::current_exe().unwrap());
        command.args(["jobs::the_process_that_dies", "--exact", "--ignored"]).env("DEATHS", deaths.to_string());
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap()
    };

    for deaths in 0..3 {
        assert!(!process(deaths).wait().await.unwrap().success());
    }
    let mut last = process(3);

    // Its record, set aside while it was suspected, is processed once more after the end, and is then removed.
    eventually("a handled job without a record", async || {
        let handled = "select from skeleton.inbox where message_id = $1";
        let handled = app.parts().store.query(handled, &[&job]).await.unwrap().len();
        match (handled, app.counts().await.waiting) {
            (1, 0) => Ok(()),
            seen => Err(format!("{seen:?}")),
        }
    })
    .await;
    let seen = record(&app, job).await;
    assert_eq!((seen.state, seen.error), (JobState::Done, None));
    assert_ne!(enqueue_again(&app, import).await, job, "its key is still taken");
    last.kill().await.unwrap();
    app.stop().await;
}

#[tokio::test]
#[ignore = "run by the test above, in a process of its own"]
async fn the_process_that_dies() {
    let settings = skeleton::Settings::read("contacts", deadly().defaults()).unwrap();
    let _running = deadly().start(settings, skeleton::Environment::system()).await.unwrap();
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_parked_copy_of_a_job_that_is_done_meanwhile_is_redriven_without_an_effect_on_it() {
    let app = TestApp::start(service(), &[]).await;
    let (import, job) = enqueue(&app, Some("refuse")).await;
    is(&app, job, JobState::Failed).await;
    forget_orders(&app).await;
    let step = ImportFile { import_id: import, position: 4 };
    let envelope = events::Envelope { id: job, ..app.world().envelope_for(&step) };
    app.world().publish(&step, &envelope).await;
    is(&app, job, JobState::Done).await;

    let parked: Vec<Uuid> = app.parked().await.iter().map(|kept| kept.message).collect();
    assert_eq!(app.parts().store.redrive(&parked, &somebody()).await.unwrap(), 1);

    eventually("nothing set aside", async || match app.counts().await {
        counts if counts.parked + counts.waiting == 0 => Ok(()),
        counts => Err(format!("{counts:?}")),
    })
    .await;
    assert_eq!(record(&app, job).await.state, JobState::Done);
    assert_ne!(enqueue_again(&app, import).await, job, "its key is still taken");
    app.finish().await;
}

#[tokio::test]
async fn wrong_limits_stop_the_start_each_with_its_name() {
    let mut settings = skeleton::Settings::read_with("contacts", "", Default::default()).unwrap();
    settings.set("jobs", "import_file_at_most", 0);
    settings.set("jobs", "import_fiel_at_most", 3);

    let Err(error) = service().start(settings, skeleton::Environment::system()).await else {
        panic!("the service started")
    };

    let text = error.to_string();
    for mistake in ["import_file_at_most: at least 1", "import_fiel_at_most: write"] {
        assert!(text.contains(mistake), "{mistake} is missing from:\n{text}");
    }
}
