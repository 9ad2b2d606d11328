//! A store that was emptied or replaced while the service runs: the server responds, but nothing may be written to it.

use std::time::Duration;

use events::{accounts::Registered, samples};
use serde_json::Value;
use skeleton::{
    HandlerResult, Leases, Neo4j, Postgres, Service, StoreError, Subscriptions,
    failure::StoreErrorKind,
    store::{
        Store, StoreBuilder,
        neo4j::{Tx, query},
    },
    testing::{Servers, TestApp, TestStore, eventually},
};
use uuid::Uuid;

use crate::{elasticsearch::bench::Bench, probe};

/// The check fails, and the server responds: a start would migrate it.
async fn counts_as_unavailable<S: Store>(store: &S) {
    let error = store.check().await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Unavailable);
    assert!(error.to_string().contains("the structure of this service is missing"), "{error}");
    store.ping().await.unwrap();
}

/// The replica is not ready, from the next check on.
async fn readiness_is_off<S: TestStore>(app: &TestApp<S>) {
    eventually("readiness is off", async || match app.running().health().ready() {
        ready if ready.status == "ready" => Err(format!("{ready:?}")),
        _ => Ok(()),
    })
    .await;
}

#[tokio::test]
async fn an_emptied_postgres_counts_as_unavailable() {
    let service = Service::named("contacts").store(Postgres::migrated_by(probe::MIGRATIONS));
    let app = TestApp::start(service, &[]).await;
    let store = &app.parts().store;
    store.check().await.unwrap();

    store.execute("drop schema skeleton cascade", &[]).await.unwrap();

    counts_as_unavailable(store).await;
    readiness_is_off(&app).await;
    // Such as another replica, or a command.
    let other = Postgres::migrated_by(&[]).open(app.settings()).unwrap();
    other.migrate().await.unwrap();
    other.check().await.unwrap();
    counts_as_unavailable(store).await;
    app.stop().await;
}

#[tokio::test]
async fn a_dry_run_of_a_command_does_not_prepare_an_empty_store() {
    let service = || Service::named("contacts").store(Postgres::migrated_by(&[]));
    let app = TestApp::start(service(), &[]).await;
    let store = &app.parts().store;
    store.execute("drop schema skeleton cascade", &[]).await.unwrap();

    let refused = service().recover_sequences(app.settings(), true).await.unwrap_err().to_string();

    assert!(refused.contains("a dry run changes nothing"), "{refused}");
    let found = store.query_one("select count(*) from pg_namespace where nspname = 'skeleton'", &[]).await.unwrap();
    assert_eq!(found.get::<_, i64>(0), 0);
    app.stop().await;
}

#[tokio::test]
async fn an_emptied_neo4j_counts_as_unavailable() {
    let service = Service::named("contacts").store(Neo4j::migrated_by(&[("V1", "RETURN 1")]));
    let app = TestApp::start(service.consumes(Subscriptions::new().on(on_registered)), &[]).await;
    let store = &app.parts().store;
    store.check().await.unwrap();

    store.execute(query("MATCH (node) DETACH DELETE node")).await.unwrap();
    counts_as_unavailable(store).await;
    readiness_is_off(&app).await;
    let mut endings = app.parts().service.endings();
    for name in ["fails", "works"] {
        let event = registered(name);
        app.world().publish(&event, &app.world().envelope_for(&event)).await;
    }

    let ended = tokio::time::timeout(Duration::from_secs(3), endings.recv()).await;
    assert!(ended.is_err(), "the empty store accepts a message: {ended:?}");
    let written = "MATCH (node) WHERE node:SetAside OR node:Inbox OR node:Handled RETURN count(node)";
    assert_eq!(store.query_opt::<i64>(query(written)).await.unwrap(), Some(0));
    app.stop().await;
}

fn registered(name: &str) -> Registered {
    Registered { account_id: Uuid::new_v4(), name: name.to_owned(), ..samples::accounts::registered() }
}

async fn on_registered(registered: Registered, tx: &mut Tx) -> HandlerResult {
    tx.execute(query("CREATE (:Handled)")).await?;
    if registered.name == "fails" {
        Err(StoreError::new(StoreErrorKind::Conflict, "not known yet").into())
    } else {
        Ok(())
    }
}

#[tokio::test]
async fn an_emptied_elasticsearch_counts_as_unavailable_and_a_lease_makes_no_index() {
    let bench = Bench::new().await;
    let store = &bench.store;
    store.check().await.unwrap();

    for index in indices(&bench).await {
        let url = format!("{}/{index}", Servers::from_env().elasticsearch);
        assert!(reqwest::Client::new().delete(url).send().await.unwrap().status().is_success());
    }

    counts_as_unavailable(store).await;
    store.claim("clean-up", "a", Duration::from_secs(1)).await.unwrap_err();
    assert_eq!(indices(&bench).await, [""; 0], "an index in place of the alias would prevent the next start");
    store.migrate().await.unwrap();
    store.check().await.unwrap();
    bench.done().await;
}

async fn indices(bench: &Bench) -> Vec<String> {
    let url = format!("{}/{}-*/_alias", Servers::from_env().elasticsearch, bench.provisioned.name);
    let found: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
    found.as_object().unwrap().keys().cloned().collect()
}
