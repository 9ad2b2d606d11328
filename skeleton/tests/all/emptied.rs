//! A store that was emptied or replaced while the service runs: the server responds, but nothing may be written to it.

use std::time::Duration;

use serde_json::Value;
use skeleton::{
    Leases, Neo4j, Postgres, Service,
    failure::StoreErrorKind,
    store::{Store, neo4j::query},
    testing::{Servers, TestApp, TestStore, eventually},
};

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
    app.stop().await;
}

#[tokio::test]
async fn an_emptied_neo4j_counts_as_unavailable() {
    let app = TestApp::start(Service::named("contacts").store(Neo4j::migrated_by(&[("V1", "RETURN 1")])), &[]).await;
    let store = &app.parts().store;
    store.check().await.unwrap();

    store.execute(query("MATCH (node) DETACH DELETE node")).await.unwrap();

    counts_as_unavailable(store).await;
    readiness_is_off(&app).await;
    app.stop().await;
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
