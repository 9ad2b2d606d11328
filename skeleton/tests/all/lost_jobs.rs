//! Jobs whose messages were lost with their queue: found, and sent again or ended.

use skeleton::{
    Postgres,
    service::MendOptions,
    store::{JobState, Mended, Store},
    testing::{TestApp, TestStore},
};
use uuid::Uuid;

use crate::jobs::{cancel, cleaned, enqueue, enqueue_again, is, limited, record, steps, with_a_waiting_job};

/// Deletes the service's queue with its messages on the broker, and declares it again.
async fn lose_the_queue(app: &TestApp<Postgres>) {
    let world = app.world();
    world.admin().delete(&format!("queues/{}/contacts.jobs", world.vhost())).await.unwrap();
    app.apply_topology(limited(), &[]).await;
}

fn at_once() -> MendOptions {
    MendOptions { older_than_minutes: 0, dry_run: false, force: false }
}

async fn mend(app: &TestApp<Postgres>, options: MendOptions) -> Vec<(Uuid, Option<Mended>)> {
    let mended = limited().mend_jobs(app.settings(), options).await.unwrap();
    mended.into_iter().map(|(job, mended)| (job.id, mended)).collect()
}

/// An app that runs no jobs, and one job that was lost with its queue.
async fn with_a_lost_job() -> (TestApp<Postgres>, Uuid, Uuid) {
    let (app, import, job) = with_a_waiting_job(limited()).await;
    lose_the_queue(&app).await;
    (app, import, job)
}

#[tokio::test]
async fn a_job_that_was_lost_with_its_queue_is_found_and_done() {
    let (app, import, job) = with_a_lost_job().await;

    assert_eq!(mend(&app, MendOptions { older_than_minutes: 10, ..at_once() }).await, [], "it may be in transit");
    assert_eq!(mend(&app, MendOptions { dry_run: true, ..at_once() }).await, [(job, None)]);
    assert_eq!(mend(&app, at_once()).await, [(job, Some(Mended::Sent))]);

    let worker = app.replica(limited()).await;
    let done = is(&app, job, JobState::Done).await;
    assert_eq!(done.done, Some(5));
    assert_eq!(steps(&app).await.len(), 5);
    assert_eq!(mend(&app, at_once()).await, []);
    assert_ne!(enqueue_again(&app, import).await, job, "its key is free");
    assert!(worker.stop().await);
    app.stop().await;
}

#[tokio::test]
async fn lost_jobs_behind_many_that_are_not_lost_are_found() {
    let (app, _, job) = with_a_lost_job().await;
    // Their messages have just been written: they are on their way.
    let others = "insert into skeleton.jobs (job_id, name, state, step, queued_at)
        select gen_random_uuid(), 'import-file', 'running', step, now() - interval '1 day' from unnest($1::uuid[]) as step";
    let steps: Vec<Uuid> = (0..1500).map(|_| Uuid::now_v7()).collect();
    app.parts().store.execute(others, &[&steps]).await.unwrap();
    let some_time_ago = (chrono::Utc::now() - chrono::TimeDelta::minutes(11)).timestamp_millis();
    let step = uuid::Builder::from_unix_timestamp_millis(some_time_ago.unsigned_abs(), &[7; 10]).into_uuid();
    app.parts().store.execute("update skeleton.jobs set step = $1 where job_id = $2", &[&step, &job]).await.unwrap();

    let found = mend(&app, MendOptions { older_than_minutes: 10, dry_run: true, force: true }).await;

    assert_eq!(found, [(job, None)]);
    let all = mend(&app, MendOptions { dry_run: true, force: true, ..at_once() }).await;
    assert_eq!((all.len(), all.last()), (1501, Some(&(job, None))));
    app.stop().await;
}

#[tokio::test]
async fn a_lost_job_that_was_noted_as_suspect_is_sent_again() {
    let (app, _, job) = with_a_lost_job().await;
    let store = &app.parts().store;
    // As the consumer notes a message that was delivered without an outcome, and removes the note.
    let noted = "insert into skeleton.set_aside (message_id, queue, name, headers, body, state, attempts, due_at, reason, first_failed_at, last_failed_at)
        values ($1, 'contacts.jobs', 'contacts.import-file.v1', '{}', '', 'waiting', 1, now(), 'it was delivered without an outcome', now(), now())";
    store.execute(noted, &[&job]).await.unwrap();
    store.forget_waiting(job).await.unwrap();

    assert_eq!(mend(&app, at_once()).await, [(job, Some(Mended::Sent))]);

    app.stop().await;
}

#[tokio::test]
async fn a_store_that_was_not_migrated_yet_has_no_lost_jobs() {
    let name = format!("unmigrated-{}", &Uuid::new_v4().simple().to_string()[..12]);
    let provisioned = Postgres::provision(&name).await;
    let mut settings = skeleton::Settings::read_with("contacts", "", Default::default()).unwrap();
    for (key, value) in &provisioned.settings {
        settings.set("store", key, value.as_str());
    }

    let lost = limited().mend_jobs(&settings, MendOptions { force: true, ..at_once() }).await.unwrap();

    assert_eq!(lost, []);
    <Postgres as TestStore>::remove(provisioned).await;
}

#[tokio::test]
async fn a_login_that_the_broker_refuses_is_reported_and_nothing_is_mended() {
    let (app, _, job) = with_a_lost_job().await;
    let mut settings = app.settings().clone();
    settings.set("broker", "password", "wrong");

    let refused = limited().mend_jobs(&settings, at_once()).await.unwrap_err().to_string();

    assert!(refused.contains("ACCESS_REFUSED"), "{refused}");
    assert_eq!(mend(&app, at_once()).await, [(job, Some(Mended::Sent))]);
    app.stop().await;
}

#[tokio::test]
async fn a_job_whose_message_is_there_after_all_is_done_once() {
    let (app, _, job) = with_a_waiting_job(limited()).await;

    let refused = limited().mend_jobs(app.settings(), at_once()).await.unwrap_err().to_string();
    assert!(refused.contains("1 messages wait in contacts.jobs"), "{refused}");
    assert_eq!(mend(&app, MendOptions { force: true, ..at_once() }).await, [(job, Some(Mended::Sent))]);

    let worker = app.replica(limited()).await;
    is(&app, job, JobState::Done).await;
    app.sent_everything().await;
    assert_eq!(steps(&app).await.len(), 5);
    assert!(worker.stop().await);
    app.stop().await;
}

#[tokio::test]
async fn a_lost_job_of_which_the_message_is_not_known_fails_and_gives_key_and_place_back() {
    let (app, import, job) = with_a_lost_job().await;
    // The state that an older build leaves between its first and second step.
    let store = &app.parts().store;
    store.execute("update skeleton.jobs set step_envelope = null, state = 'running'", &[]).await.unwrap();
    store.execute("insert into skeleton.job_slots values ('import-file', 1, $1)", &[&job]).await.unwrap();

    assert_eq!(mend(&app, at_once()).await, [(job, Some(Mended::Failed))]);

    let failed = record(&app, job).await;
    assert_eq!(failed.state, JobState::Failed);
    assert!(failed.error.unwrap().contains("its message was lost"));
    let worker = app.replica(limited()).await;
    let next = enqueue_again(&app, import).await;
    is(&app, next, JobState::Done).await;
    assert!(worker.stop().await);
    app.stop().await;
}

#[tokio::test]
async fn a_lost_job_that_is_cancelled_comes_to_its_end_and_cleans_up() {
    let (app, import, job) = with_a_lost_job().await;
    let worker = app.replica(limited()).await;

    assert!(cancel(&app, job).await);

    is(&app, job, JobState::Cancelled).await;
    assert_eq!(cleaned(&app).await, [import]);
    assert!(worker.stop().await);
    app.stop().await;
}

#[tokio::test]
async fn a_job_that_an_older_build_left_waiting_after_its_end_is_done() {
    let app = TestApp::start(limited(), &[]).await;
    let (import, job) = enqueue(&app, None).await;
    is(&app, job, JobState::Done).await;
    let left = "update skeleton.jobs set state = 'waiting', ended_at = null where job_id = $1";
    app.parts().store.execute(left, &[&job]).await.unwrap();
    assert_eq!(enqueue_again(&app, import).await, job);

    assert_eq!(mend(&app, at_once()).await, [(job, Some(Mended::Done))]);

    assert_ne!(enqueue_again(&app, import).await, job);
    app.stop().await;
}
