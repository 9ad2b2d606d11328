//! Tests of a read-only store, and of a statement that exceeds a configured limit.

use accounts_events::Registered;
use contacts_events::ChangeContact;
use skeleton::{
    HandlerResult, Postgres, Service, Subscriptions,
    store::{Store, StoreBuilder, postgres::Tx},
    telemetry::metrics_text,
    testing::{TestApp, connect_as_admin, eventually},
};
use uuid::Uuid;

use crate::probe;

fn account() -> Registered {
    Registered { account_id: Uuid::new_v4(), ..accounts_events::samples::registered() }
}

/// Changes a setting of the database for all later sessions, and ends the current ones.
async fn set(app: &TestApp<Postgres>, setting: &str) {
    let store = &app.parts().store;
    let database: String = store.query("select current_database()::text", &[]).await.unwrap()[0].get(0);
    let sql = format!("begin; set transaction read write; alter database \"{database}\" set {setting}; commit");
    let client = connect_as_admin(&database).await;
    client.batch_execute(&sql).await.unwrap();
    let others = "select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid()";
    client.batch_execute(others).await.unwrap();
}

#[tokio::test]
async fn a_store_that_takes_no_changes_is_waited_for_and_nothing_is_parked() {
    let app = TestApp::start(probe::service(), &[("retry", "waits_ms", "[10]")]).await;
    set(&app, "default_transaction_read_only = on").await;
    let mut endings = app.parts().service.endings();
    let registered = account();

    app.world().publish(&registered, &app.world().envelope_for(&registered)).await;
    eventually("a request that is refused with 503", async || {
        let asked = ChangeContact { contact_id: Uuid::new_v4(), ..contacts_events::samples::change_contact() };
        match app.call(&asked).await.map_err(|problem| (problem.status, problem.retry_after)) {
            Err((503, Some(1))) => Ok(()),
            // The first may use a connection that was just closed.
            other => Err(format!("{:?}", other.map(|view| view.name))),
        }
    })
    .await;
    let asked = ChangeContact { contact_id: Uuid::new_v4(), ..contacts_events::samples::change_contact() };
    let problem = app.call(&asked).await.unwrap_err();
    assert_eq!((problem.status, problem.retry_after), (503, Some(1)));
    eventually("a consumer that pauses", async || {
        let text = metrics_text();
        match text.lines().any(|line| line.starts_with("consumer_paused{queue=\"contacts.events\"} 1")) {
            true => Ok(()),
            false => Err("it does not pause".to_owned()),
        }
    })
    .await;
    assert!(endings.try_recv().is_err(), "the handling has ended");
    set(&app, "default_transaction_read_only = off").await;

    let ending = endings.recv().await.unwrap();
    assert_eq!(ending.outcome, "done", "{:?}", ending.reason);
    app.finish().await;
}

#[tokio::test]
async fn a_message_that_exceeds_a_configured_limit_is_parked_and_holds_nobody_up() {
    async fn on_registered(registered: Registered, tx: &mut Tx) -> HandlerResult {
        if registered.name == "large" {
            tx.execute("set local work_mem = '64kB'", &[]).await?;
            tx.execute("set local temp_file_limit = '1MB'", &[]).await?;
            tx.query("select n, repeat('x', 100) from generate_series(1, 200000) n order by md5(n::text) limit 1 offset 199999", &[]).await?;
        }
        Ok(())
    }
    let service = Service::named("contacts")
        .store(Postgres::migrated_by(probe::MIGRATIONS))
        .consumes(Subscriptions::new().on(on_registered));
    let app = TestApp::start(service, &[("retry", "waits_ms", "[10]")]).await;

    let large = Registered { name: "large".to_owned(), ..account() };
    let envelope = app.world().envelope_for(&large);
    let first = app.receives_in(&large, &envelope).await;
    let behind = app.receives(&account()).await;

    assert_eq!((first.outcome, behind.outcome), ("waiting", "done"), "{:?}", first.reason);
    eventually("the message is parked", async || {
        match app.parked().await.iter().find(|parked| parked.message == envelope.id) {
            Some(parked) if parked.reason.contains("53400") => Ok(()),
            other => Err(format!("{:?}", other.map(|parked| &parked.reason))),
        }
    })
    .await;
    app.stop().await;
}

#[tokio::test]
async fn a_connection_to_a_server_that_takes_no_changes_is_not_used_again() {
    let app = TestApp::start(probe::service(), &[("store", "connections", "1")]).await;
    // A separate pool that nothing else uses.
    let store = Postgres::migrated_by(&[]).open(app.settings()).unwrap();
    let pid = async || -> i32 { store.query("select pg_backend_pid()", &[]).await.unwrap()[0].get(0) };
    let before = pid().await;
    store.query("set default_transaction_read_only = on", &[]).await.unwrap();

    let refused = store.execute("insert into effects values (gen_random_uuid(), 1)", &[]).await;

    assert_eq!(refused.unwrap_err().kind, skeleton::failure::StoreErrorKind::Unavailable);
    assert_ne!(pid().await, before);
    store.ping().await.unwrap();
    app.finish().await;
}
