//! An erasure runs until all six services have confirmed that they have erased their part.

use accounts_events::{
    EraseAccount, EraseAccountV2, Erased, ErasureFinished, ErasureView, GetAccount, GetErasure, OpenSession, Registered,
};
use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use contacts_events as contacts;
use events::Event;
use gateway_events as gateway;
use network_events as network;
use notifications_events as notifications;
use search_events as search;
use skeleton::{
    Postgres,
    messaging::history::Range,
    store::{Delays, SagaPhase, Sagas, Store, Transaction},
    testing::{TestApp, TestClock, eventually},
};
use uuid::Uuid;

use crate::common::{register, sign_in, signing_key, start, start_in_time_of, start_with, waits_for_a_lock};

/// Long enough that no service is reminded during a test.
const PATIENT: &str = "[60000]";

/// An account whose erasure has begun, and its receipt.
async fn erasing(app: &TestApp<Postgres>) -> (Uuid, Uuid) {
    let account_id = register(app).await.account_id;
    let begun = app.call(&EraseAccountV2 { account_id }).await.unwrap();
    (account_id, begun.receipt_id)
}

/// Publishes the confirmations of four of the other five services, all but search. Returns the time that they name.
async fn all_but_search_confirm(app: &TestApp<Postgres>, account_id: Uuid) -> DateTime<Utc> {
    let erased_at = now();
    all_but_search_confirm_at(app, account_id, erased_at).await;
    erased_at
}

async fn all_but_search_confirm_at(app: &TestApp<Postgres>, account_id: Uuid, erased_at: DateTime<Utc>) {
    confirm(app, contacts::AccountDataErased { account_id, erased_at, removed: 12 }).await;
    confirm(app, gateway::AccountDataErased { account_id, erased_at, removed: 1 }).await;
    confirm(app, network::AccountDataErased { account_id, erased_at, removed: 3 }).await;
    confirm(app, notifications::AccountDataErased { account_id, erased_at, removed: 2 }).await;
}

async fn search_confirms(app: &TestApp<Postgres>, account_id: Uuid) {
    confirm(app, search::AccountDataErased { account_id, erased_at: now(), removed: 4 }).await;
}

/// As precise as in a message.
fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(6)
}

/// Publishes each confirmation twice under one id, and once more as a new event.
async fn confirm<E: Event>(app: &TestApp<Postgres>, event: E) {
    let envelope = app.world().envelope_for(&event);
    for _ in 0..2 {
        assert_eq!(app.receives_in(&event, &envelope).await.outcome, "done");
    }
    assert_eq!(app.receives(&event).await.outcome, "done");
}

async fn receipt(app: &TestApp<Postgres>, receipt_id: Uuid) -> ErasureView {
    app.call(&GetErasure { receipt_id }).await.unwrap()
}

fn missing(receipt: &ErasureView) -> Vec<&str> {
    receipt.parts.iter().filter(|part| part.erased_at.is_none()).map(|part| part.service.as_str()).collect()
}

#[tokio::test]
async fn an_erasure_is_finished_when_the_last_service_has_confirmed() {
    let app = start_with(&[("erasure", "remind_after_ms", PATIENT)]).await;
    let (account_id, receipt_id) = erasing(&app).await;

    let erased_at = all_but_search_confirm(&app, account_id).await;
    let unfinished = receipt(&app, receipt_id).await;
    search_confirms(&app, account_id).await;

    assert_eq!((missing(&unfinished), unfinished.finished_at), (vec!["search"], None));
    let report = app.published_once::<ErasureFinished>(|event| event.account_id == account_id).await;
    assert_eq!((report.parts.len(), report.reminders), (6, 0));
    let contacts = report.parts.iter().find(|part| part.service == "contacts").unwrap();
    assert_eq!((contacts.erased_at, contacts.removed), (erased_at, 12));
    let finished = receipt(&app, receipt_id).await;
    assert_eq!((missing(&finished), finished.finished_at), (vec![], Some(report.finished_at)));
    app.published_once::<Erased>(|_| true).await;
    app.finish().await;
}

#[tokio::test]
async fn who_has_not_confirmed_is_told_again_and_nobody_after_the_end() {
    let app = start_with(&[("erasure", "remind_after_ms", "[100, 200]")]).await;
    let (account_id, receipt_id) = erasing(&app).await;
    all_but_search_confirm(&app, account_id).await;

    eventually("three publications of the erasure", async || match app.published::<Erased>().await.len() {
        0..3 => Err("not yet".to_owned()),
        _ => Ok(()),
    })
    .await;
    search_confirms(&app, account_id).await;

    let report = app.published_once::<ErasureFinished>(|_| true).await;
    assert!(report.reminders >= 2);
    let told = app.published::<Erased>().await;
    assert!(told.iter().all(|erased| *erased == told[0]), "a reminder equals the first event");
    assert_eq!(app.parts().store.delayed().await.unwrap(), 0);
    let saga = app.parts().store.find_saga("erasure", account_id).await.unwrap().unwrap();
    assert_eq!((saga.phase, saga.timeout), (SagaPhase::Done, None));
    assert_eq!(told.len() as u64, report.reminders + 1);
    assert_eq!(missing(&receipt(&app, receipt_id).await), Vec::<&str>::new());
    app.finish().await;
}

#[tokio::test]
async fn who_has_not_confirmed_is_told_again_after_a_minute_and_after_ten_more() {
    let app = start_in_time_of(&TestClock::running()).await;
    let (account_id, _) = erasing(&app).await;
    all_but_search_confirm(&app, account_id).await;

    for (minutes, told) in [(1, 2), (10, 3)] {
        app.advance(TimeDelta::minutes(minutes)).await;
        eventually(&format!("{told} publications of the erasure"), async || {
            match app.published::<Erased>().await.len() {
                seen if seen == told => Ok(()),
                seen => Err(format!("{seen}")),
            }
        })
        .await;
    }

    search_confirms(&app, account_id).await;
    let report = app.published_once::<ErasureFinished>(|_| true).await;
    assert_eq!(report.reminders, 2);
    app.finish().await;
}

#[tokio::test]
async fn the_first_word_of_a_service_counts() {
    let app = start_with(&[("erasure", "remind_after_ms", PATIENT)]).await;
    let (account_id, receipt_id) = erasing(&app).await;
    let first = now();
    app.receives(&contacts::AccountDataErased { account_id, erased_at: first, removed: 12 }).await;

    let later = first + TimeDelta::seconds(1);
    app.receives(&contacts::AccountDataErased { account_id, erased_at: later, removed: 0 }).await;

    let parts = receipt(&app, receipt_id).await.parts;
    assert_eq!(parts.iter().find(|part| part.service == "contacts").unwrap().erased_at, Some(first));
    app.stop().await;
}

#[tokio::test]
async fn a_confirmation_of_an_account_that_is_not_being_erased_changes_nothing() {
    let app = start().await;

    all_but_search_confirm(&app, register(&app).await.account_id).await;
    search_confirms(&app, Uuid::new_v4()).await;

    assert!(app.published::<ErasureFinished>().await.is_empty());
    assert!(app.parts().store.list_sagas(None, 10).await.unwrap().is_empty());
    app.finish().await;
}

#[tokio::test]
async fn an_order_of_the_release_before_begins_the_same_erasure() {
    let app = start_with(&[("erasure", "remind_after_ms", PATIENT)]).await;
    let account_id = register(&app).await.account_id;

    app.call(&EraseAccount { account_id }).await.unwrap();
    all_but_search_confirm(&app, account_id).await;
    search_confirms(&app, account_id).await;

    app.published_once::<ErasureFinished>(|event| event.account_id == account_id).await;
    app.finish().await;
}

#[tokio::test]
async fn a_receipt_that_nobody_was_given_is_not_found() {
    let app = start().await;
    let (account_id, _) = erasing(&app).await;

    for receipt_id in [Uuid::new_v4(), account_id] {
        assert_eq!(app.call(&GetErasure { receipt_id }).await.unwrap_err().status, 404);
    }
    app.stop().await;
}

/// The output of the program's saga commands for the test's database.
async fn saga_command(app: &TestApp<Postgres>, arguments: &[&str]) -> String {
    let database = app.parts().store.query_opt("select current_database()::text", &[]).await.unwrap().unwrap();
    let servers = skeleton::testing::Servers::from_env();
    let (place, _) = servers.postgres.rsplit_once('/').unwrap();
    let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_accounts"));
    program.arg("saga").args(arguments);
    // Every command checks all settings.
    program.env("ACCOUNTS__TOKENS__SIGNING_KEY", signing_key(7));
    program.env("ACCOUNTS__STORE__URL", format!("{place}/{}", database.get::<_, &str>(0)));
    let output = tokio::task::spawn_blocking(move || program.output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn a_person_sees_how_far_an_erasure_is_and_what_comes_next() {
    let app = start_with(&[("erasure", "remind_after_ms", PATIENT)]).await;
    let (going_on, _) = erasing(&app).await;
    let (finished, _) = erasing(&app).await;
    all_but_search_confirm(&app, finished).await;
    search_confirms(&app, finished).await;

    let running = saga_command(&app, &["list", "--state", "running"]).await;
    let shown = saga_command(&app, &["show", &going_on.to_string()]).await;
    let ended = saga_command(&app, &["show", &finished.to_string()]).await;

    assert!(running.contains(&going_on.to_string()) && !running.contains(&finished.to_string()), "{running}");
    let saga = app.parts().store.find_saga("erasure", going_on).await.unwrap().unwrap();
    let job = saga.timeout.unwrap().message.to_string();
    assert!(shown.contains("phase running") && shown.contains(&job), "{shown}");
    assert!(shown.contains("accounts has erased its part") && !shown.contains("search has"), "{shown}");
    assert!(ended.contains("phase done") && ended.contains("next timeout -"), "{ended}");
    assert!(
        ended.contains("all services have erased their part") && ended.contains("search has erased its part"),
        "{ended}"
    );
    app.finish().await;
}

#[tokio::test]
async fn an_account_that_a_restore_has_lost_is_erased_everywhere_when_its_registration_is_replayed() {
    let began = now() - TimeDelta::minutes(1);
    let app = start_with(&[("erasure", "remind_after_ms", PATIENT)]).await;
    let (there, lost, gone) = (register(&app).await.account_id, Uuid::new_v4(), register(&app).await.account_id);
    app.call(&EraseAccountV2 { account_id: gone }).await.unwrap();
    app.published_once::<Erased>(|event| event.account_id == gone).await;

    // It may have waited in the queue until the restored service started. It is not lost.
    let registered = Registered { account_id: lost, ..accounts_events::samples::registered() };
    let waits = app.receives(&registered).await;
    assert_eq!(waits.outcome, "waiting");
    assert!(waits.reason.unwrap().contains("replay accounts.registered.v1"));
    assert_eq!(app.published::<Erased>().await.len(), 1);

    for _ in 0..2 {
        app.replay(accounts::service(), Range::since(began)).await.unwrap();
    }

    app.published_once::<Erased>(|event| event.account_id == lost).await;
    assert_eq!(app.published::<Erased>().await.len(), 2, "one of those that are there or were erased is erased again");
    app.call(&GetAccount { account_id: there }).await.unwrap();
    eventually("nothing waits", async || match app.counts().await.waiting {
        0 => Ok(()),
        waiting => Err(format!("{waiting} wait")),
    })
    .await;
    app.finish().await;
}

#[tokio::test]
async fn an_erasure_that_waits_for_a_sign_in_does_not_hold_the_account_that_the_sign_in_will_need() {
    let app = start_with(&[("erasure", "remind_after_ms", PATIENT)]).await;
    let account = register(&app).await;
    let wrong = OpenSession { password: "a wrong password".to_owned(), ..sign_in(&account) };
    app.call(&wrong).await.unwrap_err();
    let (store, service, account_id) = (&app.parts().store, &app.parts().service, account.account_id);
    let mut signing_in = store.begin(service, &[]).await.unwrap();
    signing_in.query("select from failed_sign_ins for update", &[]).await.unwrap();

    let meanwhile = async {
        waits_for_a_lock(store, "%failed_sign_ins%").await;
        let proven = "select from accounts where account_id = $1 for share nowait";
        signing_in.query(proven, &[&account_id]).await.unwrap();
        signing_in.commit().await.unwrap();
    };
    let asked = EraseAccountV2 { account_id };
    let (erased, ()) = tokio::join!(app.call(&asked), meanwhile);

    erased.unwrap();
    app.finish().await;
}

#[tokio::test]
async fn an_account_that_a_restore_has_brought_back_is_erased_again_when_its_erasure_is_replayed() {
    let app = start_with(&[("erasure", "remind_after_ms", PATIENT)]).await;
    let account_id = register(&app).await.account_id;
    let erased = Erased { account_id, ..accounts_events::samples::erased() };

    // The second time, as for each erasure that no restore has undone, there is nothing to erase.
    for _ in 0..2 {
        assert_eq!(app.receives(&erased).await.outcome, "done");
    }

    assert_eq!(app.call(&GetAccount { account_id }).await.unwrap_err().status, 404);
    app.published_once::<Erased>(|event| event.account_id == account_id && *event != erased).await;
    // The confirmations of the first erasure, which the replay may repeat as well.
    all_but_search_confirm_at(&app, account_id, now() - TimeDelta::hours(1)).await;
    search_confirms(&app, account_id).await;
    assert!(app.published::<ErasureFinished>().await.is_empty());
    all_but_search_confirm(&app, account_id).await;
    app.published_once::<ErasureFinished>(|event| event.account_id == account_id).await;
    app.finish().await;
}
