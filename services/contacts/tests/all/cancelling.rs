//! Imports that their owner cancels: contacts already imported are kept, and no more are added.

use std::fmt::Write;

use crate::book::{book, import, send};
use contacts_events::{
    CancelImport, GetImport, GetImportV2, ImportCancelled, ImportFinished, ImportViewStatus, ImportViewV2,
    ImportViewV2Status,
};
use skeleton::{
    JobSteps, Postgres,
    store::{JobRecords, JobState, Store, Transaction},
    testing::{TestApp, eventually},
};
use uuid::Uuid;

fn many(count: u32) -> Vec<u8> {
    let mut text = String::new();
    for n in 0..count {
        writeln!(text, "BEGIN:VCARD\nVERSION:3.0\nFN:Person {n:04}\nEMAIL:p{n}@example.org\nEND:VCARD").unwrap();
    }
    text.into_bytes()
}

/// Imports one card at a time, so that there is something left to cancel.
async fn app() -> TestApp<Postgres> {
    TestApp::start(contacts::service(), &[("imports", "stretch", "1"), ("jobs", "import_file_at_most", "1")]).await
}

async fn view(app: &TestApp<Postgres>, account_id: Uuid, import_id: Uuid) -> ImportViewV2 {
    app.call(&GetImportV2 { account_id, import_id }).await.unwrap()
}

async fn is_running(app: &TestApp<Postgres>, account: Uuid, import: Uuid) {
    eventually("an imported card", async || match view(app, account, import).await {
        seen if seen.status == ImportViewV2Status::Running && seen.added > 0 => Ok(()),
        seen => Err(format!("{seen:?}")),
    })
    .await;
}

/// Waits until the import's job has ended and the rest of the file is deleted.
async fn is_over(app: &TestApp<Postgres>, state: JobState) {
    eventually("the job's end", async || {
        let jobs = app.parts().store.list_jobs(Some("import-file"), None, 1).await.unwrap();
        if jobs[0].state == state { Ok(()) } else { Err(format!("{jobs:?}")) }
    })
    .await;
    let sql = "select from import_entries union all select from import_parts";
    assert!(app.parts().store.query(sql, &[]).await.unwrap().is_empty(), "the rest of the file is still stored");
}

#[tokio::test]
async fn a_cancelled_import_keeps_what_is_in_and_takes_no_more() {
    let (app, account) = (app().await, Uuid::new_v4());
    let import = send(&app, account, "many.vcf", &many(2000)).await;
    is_running(&app, account, import).await;

    let cancelled = app.call(&CancelImport { account_id: account, import_id: import }).await.unwrap();

    assert_eq!(cancelled.status, ImportViewV2Status::Cancelled);
    assert!((1..2000).contains(&cancelled.added), "{cancelled:?}");
    is_over(&app, JobState::Cancelled).await;
    assert_eq!(view(&app, account, import).await.added, cancelled.added);
    assert_eq!(book(&app, account).await.len() as u32, cancelled.added);
    let told = app.published_once::<ImportCancelled>(|event| event.import_id == import).await;
    assert_eq!((told.added, told.total), (cancelled.added, 2000));
    assert!(app.published::<ImportFinished>().await.is_empty());
    let before = app.call(&GetImport { account_id: account, import_id: import }).await.unwrap();
    assert_eq!(before.status, ImportViewStatus::Finished, "version 1 shows a cancelled import as finished");
    app.finish().await;
}

#[tokio::test]
async fn cancelling_twice_is_cancelling_once_and_a_finished_import_cannot_be_cancelled() {
    let (app, account) = (app().await, Uuid::new_v4());
    let finished = import(&app, account, "few.vcf", &many(2)).await.import_id;
    let running = send(&app, account, "many.vcf", &many(2000)).await;
    is_running(&app, account, running).await;
    let cancel = async |import_id| app.call(&CancelImport { account_id: account, import_id }).await;

    let first = cancel(running).await.unwrap();
    let second = cancel(running).await.unwrap();

    assert_eq!((first.status, first.added), (second.status, second.added));
    app.published_once::<ImportCancelled>(|event| event.import_id == running).await;
    let refused = cancel(finished).await.unwrap_err();
    assert_eq!((refused.status, refused.kind.as_str()), (409, "urn:kith:problem:import-ended"));
    let stranger = app.call(&CancelImport { account_id: Uuid::new_v4(), import_id: finished }).await.unwrap_err();
    assert_eq!(stranger.status, 404);
    is_over(&app, JobState::Cancelled).await;
    app.finish().await;
}

#[tokio::test]
async fn an_import_that_waits_for_its_turn_is_cancelled_before_it_begins() {
    let (app, account) = (app().await, Uuid::new_v4());
    let first = send(&app, account, "many.vcf", &many(2000)).await;
    is_running(&app, account, first).await;
    let waiting = send(&app, account, "more.vcf", &many(10)).await;

    let cancelled = app.call(&CancelImport { account_id: account, import_id: waiting }).await.unwrap();

    assert_eq!((cancelled.status, cancelled.added), (ImportViewV2Status::Cancelled, 0));
    app.call(&CancelImport { account_id: account, import_id: first }).await.unwrap();
    eventually("two cancelled jobs", async || {
        let jobs = app.parts().store.list_jobs(None, Some(JobState::Cancelled), 10).await.unwrap();
        if jobs.len() == 2 { Ok(()) } else { Err(format!("{jobs:?}")) }
    })
    .await;
    is_over(&app, JobState::Cancelled).await;
    app.finish().await;
}

#[tokio::test]
async fn an_operator_who_cancels_the_job_cancels_the_import() {
    let (app, account) = (app().await, Uuid::new_v4());
    let import = send(&app, account, "many.vcf", &many(2000)).await;
    is_running(&app, account, import).await;
    let job = app.parts().store.list_jobs(None, None, 1).await.unwrap().remove(0);
    assert_eq!((job.key, job.total), (Some(import.to_string()), Some(2000)));

    let mut tx = app.parts().store.begin(&app.parts().service, &[]).await.unwrap();
    assert!(tx.cancel_job(job.id).await.unwrap());
    tx.commit().await.unwrap();

    let told = app.published_once::<ImportCancelled>(|event| event.import_id == import).await;
    is_over(&app, JobState::Cancelled).await;
    let seen = view(&app, account, import).await;
    assert_eq!((seen.status, seen.added), (ImportViewV2Status::Cancelled, told.added));
    app.finish().await;
}
