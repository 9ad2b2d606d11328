//! Tests of abandoned statements.

use std::time::Duration;

use accounts_events::Registered;
use skeleton::{
    Environment, HandlerResult, Neo4j, Postgres, Publish, Service, Settings, Subscriptions,
    failure::StoreErrorKind,
    store::{ServiceContext, Store, StoreBuilder, Transaction, neo4j, neo4j::query, postgres::Tx},
    testing::{TestApp, TestStore, eventually},
};
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use crate::probe;

const ONE_CONNECTION: &[(&str, &str, &str)] = &[("store", "connections", "1")];

async fn give_up_after(milliseconds: u64, statement: impl Future) {
    assert!(timeout(Duration::from_millis(milliseconds), statement).await.is_err(), "the statement was answered");
}

/// Waits until no matching statement runs in the test's database.
async fn is_cancelled(store: &Postgres, like: &str) {
    eventually("the statement to be cancelled", async || {
        let sql = "select count(*) from pg_stat_activity
            where datname = current_database() and pid <> pg_backend_pid() and state = 'active' and query like $1";
        match store.query(sql, &[&like]).await.unwrap()[0].get::<_, i64>(0) {
            0 => Ok(()),
            running => Err(format!("{running} still running")),
        }
    })
    .await;
}

#[tokio::test]
async fn an_abandoned_query_holds_nobody_up_and_is_cancelled() {
    let app = TestApp::start(probe::service(), ONE_CONNECTION).await;
    let store = app.parts().store.clone();
    let began = Instant::now();

    give_up_after(300, store.query("select pg_sleep(20), 1", &[])).await;
    store.query("select 1", &[]).await.unwrap();
    give_up_after(300, store.execute("select pg_sleep(20), 2", &[])).await;
    store.query("select 1", &[]).await.unwrap();

    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    is_cancelled(&store, "select pg_sleep(20)%").await;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    app.finish().await;
}

#[tokio::test]
async fn a_dropped_transaction_holds_nobody_up_and_its_statement_is_cancelled() {
    let app = TestApp::start(probe::service(), ONE_CONNECTION).await;
    let (store, service) = (app.parts().store.clone(), app.parts().service.clone());
    let began = Instant::now();

    let mut tx = store.begin(&service, &[]).await.unwrap();
    give_up_after(300, tx.query("select pg_sleep(20), 3", &[])).await;
    drop(tx);
    store.query("select 1", &[]).await.unwrap();

    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    is_cancelled(&store, "select pg_sleep(20)%").await;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    app.finish().await;
}

/// On the first attempt, the handler abandons its statement or ignores that it failed.
fn careless() -> Service<Postgres> {
    async fn on_registered(registered: Registered, tx: &mut Tx) -> HandlerResult {
        let sql = "insert into effects (contact_id, times) values ($1, 1)";
        tx.execute(sql, &[&registered.account_id]).await?;
        let is_first = Uuid::from_u128(1);
        let seen = tx.resource::<std::sync::Mutex<std::collections::HashSet<Uuid>>>();
        let is_first_time =
            seen.lock().unwrap().insert(if registered.name == "wrong" { is_first } else { registered.account_id });
        if is_first_time && registered.name == "wrong" {
            assert!(tx.query("select nothing from nowhere", &[]).await.is_err());
        } else if is_first_time {
            give_up_after(200, tx.execute("select pg_sleep(20)", &[])).await;
        }
        Ok(())
    }
    Service::named("contacts")
        .store(Postgres::migrated_by(probe::MIGRATIONS))
        .consumes(Subscriptions::new().on(on_registered))
        .with(std::sync::Mutex::new(std::collections::HashSet::<Uuid>::new()))
}

async fn effects(app: &TestApp<Postgres>) -> i64 {
    app.parts().store.query("select count(*) from effects", &[]).await.unwrap()[0].get(0)
}

#[tokio::test]
async fn a_message_whose_handler_abandoned_its_statement_is_tried_again_and_not_acknowledged() {
    let app = TestApp::start(careless(), &[("retry", "waits_ms", "[50, 50, 50]")]).await;
    for name in ["slow", "wrong"] {
        let registered =
            Registered { account_id: Uuid::new_v4(), name: name.to_owned(), ..accounts_events::samples::registered() };

        let ending = app.receives(&registered).await;

        assert_eq!(ending.outcome, "waiting", "{name}: {:?}", ending.reason);
    }
    eventually("both effects", async || match effects(&app).await {
        2 => Ok(()),
        count => Err(format!("{count}")),
    })
    .await;
    app.finish().await;
}

#[tokio::test]
async fn a_transaction_of_neo4j_with_an_abandoned_statement_is_not_committed() {
    let provisioned = Neo4j::provision("neo4j").await;
    let mut settings = Settings::read_with("network", "", Default::default()).unwrap();
    for (key, value) in &provisioned.settings {
        settings.set("store", key, value.as_str());
    }
    let store = Neo4j::migrated_by(&[]).open(&settings).unwrap();
    store.migrate().await.unwrap();
    let service = std::sync::Arc::new(ServiceContext::new("contacts", Environment::system()));
    for publishes in [false, true] {
        let mut tx: neo4j::Tx = store.begin(&service, &[]).await.unwrap();
        tx.execute(query("CREATE (:Abandoned)")).await.unwrap();

        let slow = "UNWIND range(1, 100000000) AS n WITH n WHERE n % 7 = 8 RETURN count(n)";
        give_up_after(200, tx.query::<i64>(query(slow))).await;
        if publishes {
            tx.publish(contacts_events::samples::contact_removed()).unwrap();
        }
        let committed = tx.commit().await;

        assert_eq!(committed.unwrap_err().kind, StoreErrorKind::Conflict);
        eventually("the rollback", async || {
            let left = store.query_opt::<i64>(query("MATCH (n:Abandoned) RETURN count(n)")).await;
            if matches!(left, Ok(Some(0))) { Ok(()) } else { Err(format!("{left:?}")) }
        })
        .await;
    }
    assert_eq!(store.counts().await.unwrap().outbox, 0);
    Neo4j::remove(provisioned).await;
}
