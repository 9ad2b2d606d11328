//! Tests of messages that their handler drops.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::Relaxed},
};

use contacts_events::{
    ChangeContact, ContactView, ImportCancelled, ImportFailed, ImportFile, ImportFinished, ImportProgressed,
    ImportStarted,
};
use events::Envelope;
use skeleton::{
    Failure, HandlerResult, JobSteps, Jobs, Postgres, Progress, Publish, RequestHandlers, Service, Subscriptions,
    store::{JobRecords, JobState, Store, Transaction, postgres::Tx},
    telemetry::metrics_text,
    testing::{TestApp, eventually},
};
use uuid::Uuid;

use crate::probe;

/// How often the handler was called.
#[derive(Clone, Default)]
struct Calls(Arc<AtomicU32>);

/// Counts, and drops the second event of an import: on its second attempt if it is to be dropped late.
async fn on_progress(event: ImportProgressed, tx: &mut Tx) -> HandlerResult {
    let calls = tx.resource::<Calls>().0.fetch_add(1, Relaxed);
    count(tx, event.import_id).await?;
    match event.added {
        2 => Err(Failure::drop("not for us")),
        3 if calls == 0 => Err(Failure::retry("not yet")),
        3 => Err(Failure::drop("not for us after all")),
        _ => Ok(()),
    }
}

async fn none<E>(_: E, _: &mut Tx) -> HandlerResult {
    Ok(())
}

async fn change_contact(asked: ChangeContact, tx: &mut Tx) -> HandlerResult<ContactView> {
    count(tx, asked.contact_id).await?;
    Err(Failure::drop("this request means nothing here"))
}

async fn import_file(job: ImportFile, tx: &mut Tx) -> Result<Progress<ImportFile>, Failure> {
    count(tx, job.import_id).await?;
    Err(Failure::drop("the import is gone"))
}

async fn count(tx: &mut Tx, id: Uuid) -> HandlerResult {
    let sql = "insert into effects as e (contact_id, times) values ($1, 1) on conflict (contact_id) do update set times = e.times + 1";
    tx.execute(sql, &[&id]).await?;
    Ok(())
}

async fn start() -> (TestApp<Postgres>, Calls) {
    let calls = Calls::default();
    let subscriptions = Subscriptions::new()
        .in_order(on_progress)
        .in_order(none::<ImportStarted>)
        .in_order(none::<ImportFinished>)
        .in_order(none::<ImportFailed>)
        .in_order(none::<ImportCancelled>);
    let service = Service::named("contacts")
        .store(Postgres::migrated_by(probe::MIGRATIONS))
        .consumes(subscriptions)
        .answers(RequestHandlers::new().write(change_contact), &["gateway"])
        .jobs(Jobs::new().on(import_file))
        .with(calls.clone());
    (TestApp::start(service, &[("retry", "waits_ms", "[10]"), ("retry", "poll_ms", "50")]).await, calls)
}

fn nth(import: Uuid, number: u32) -> ImportProgressed {
    ImportProgressed { import_id: import, added: number, ..contacts_events::samples::import_progressed() }
}

async fn effects(app: &TestApp<Postgres>, id: Uuid) -> i32 {
    let sql = "select times from effects where contact_id = $1";
    app.parts().store.query_opt(sql, &[&id]).await.unwrap().map_or(0, |row| row.get(0))
}

#[tokio::test]
async fn a_dropped_event_has_no_effect_is_counted_is_not_parked_and_holds_up_nothing_behind_it() {
    let (app, calls) = start().await;
    let import = Uuid::new_v4();

    assert_eq!(app.receives_as(&nth(import, 1), 1).await.outcome, "done");
    let second = nth(import, 2);
    let envelope = Envelope { sequence: Some(2), ..app.world().envelope_for(&second) };
    let dropped = app.receives_in(&second, &envelope).await;
    assert_eq!((dropped.outcome, dropped.reason.as_deref()), ("dropped", Some("not for us")));
    assert_eq!(app.receives_as(&nth(import, 4), 3).await.outcome, "done");

    assert_eq!(effects(&app, import).await, 2, "the writes of the second handler are rolled back");
    assert_eq!(app.receives_in(&second, &envelope).await.outcome, "done");
    assert_eq!(calls.0.load(Relaxed), 3, "a copy of a dropped event is not handled");
    let metrics = metrics_text();
    let counted = |line: &&str| line.starts_with("messages_handled_total") && line.contains("outcome=\"dropped\"");
    assert!(metrics.lines().any(|line| counted(&line) && line.contains("contacts.import-progressed.v1")), "{metrics}");
    assert!(app.parked().await.is_empty());
    app.finish().await;
}

#[tokio::test]
async fn a_message_that_waited_can_be_dropped_at_a_later_attempt() {
    let (app, _) = start().await;
    let (import, mut endings) = (Uuid::new_v4(), app.parts().service.endings());

    assert_eq!(app.receives_as(&nth(import, 3), 1).await.outcome, "waiting");

    assert_eq!(endings.recv().await.unwrap().outcome, "waiting");
    assert_eq!(endings.recv().await.unwrap().outcome, "dropped");
    let counts = app.counts().await;
    assert_eq!((counts.waiting, counts.parked, effects(&app, import).await), (0, 0, 0));
    assert_eq!(app.receives_as(&nth(import, 4), 2).await.outcome, "done");
    app.finish().await;
}

#[tokio::test]
async fn a_job_whose_step_is_dropped_ends_as_cancelled_and_frees_its_key() {
    let (app, _) = start().await;
    let import = Uuid::new_v4();
    let enqueue = async || {
        let mut tx = app.parts().store.begin(&app.parts().service, &[]).await.unwrap();
        let id = tx.enqueue_once("the key", ImportFile { import_id: import, position: 0 }).await.unwrap();
        tx.commit().await.unwrap();
        id
    };

    for _ in 0..2 {
        let job = enqueue().await;
        eventually("the end of the job", async || match app.parts().store.find_job(job).await.unwrap() {
            Some(record) if record.state == JobState::Cancelled => Ok(()),
            record => Err(format!("{record:?}")),
        })
        .await;
    }

    assert_eq!(effects(&app, import).await, 0);
    assert!(app.parked().await.is_empty());
    app.finish().await;
}

#[tokio::test]
async fn a_request_is_answered_even_if_its_handler_drops_it() {
    let (app, _) = start().await;
    let asked = ChangeContact { contact_id: Uuid::new_v4(), ..contacts_events::samples::change_contact() };

    let problem = app.call(&asked).await.unwrap_err();

    assert_eq!((problem.status, problem.kind.as_str()), (422, "urn:kith:problem:dropped"));
    assert_eq!(problem.detail, "this request means nothing here");
    assert_eq!(effects(&app, asked.contact_id).await, 0);
    app.finish().await;
}
