//! A store that was emptied or replaced while the service runs: the server responds, but the service may not use it.

use std::time::Duration;

use accounts_events::Registered;
use serde_json::Value;
use skeleton::{
    Elasticsearch, HandlerResult, Leases, Neo4j, Postgres, Service, StoreError, Subscriptions,
    failure::StoreErrorKind,
    http::group,
    store::{
        Store, StoreBuilder,
        elasticsearch::Index,
        neo4j::{Tx, query},
    },
    testing::{MAINTENANCE, Servers, TestApp, TestStore, connect_as_admin, eventually},
};
use tokio::{net::TcpStream, time::Instant};
use uuid::Uuid;
use warp::Filter as _;

use crate::{elasticsearch::bench::Bench, probe};

/// The check fails, and the server responds: a start would migrate it.
async fn counts_as_unavailable<S: Store>(store: &S) {
    counts_as_unmigrated(store).await;
    eventually("the server responds", async || store.ping().await.map_err(|error| error.to_string())).await;
}

/// On a machine with other work, a check may be too slow at first.
async fn counts_as_unmigrated<S: Store>(store: &S) {
    eventually("the structure is missing", async || match store.check().await {
        Err(error) if error.to_string().contains("the structure of this service is missing") => {
            assert_eq!(error.kind, StoreErrorKind::Unavailable);
            Ok(())
        }
        seen => Err(format!("{seen:?}")),
    })
    .await;
}

async fn is_well<S: Store>(store: &S) {
    eventually("the store is well", async || store.check().await.map_err(|error| error.to_string())).await;
}

/// The replica is not ready, from the next check on.
async fn readiness_is_off<S: TestStore>(app: &TestApp<S>) {
    eventually("readiness is off", async || match app.running().health().ready() {
        ready if ready.status == "ready" => Err(format!("{ready:?}")),
        _ => Ok(()),
    })
    .await;
}

/// Nothing uses the store any more: the public port is closed, and the queues have no consumer.
async fn all_work_ends<S: TestStore>(app: &TestApp<S>) {
    readiness_is_off(app).await;
    let port = app.running().http_address.unwrap();
    eventually("the public port is closed", async || match TcpStream::connect(port).await {
        Ok(_) => Err("it is open".to_owned()),
        Err(_) => Ok(()),
    })
    .await;
    let queue = format!("queues/{}/contacts.events", app.world().vhost());
    eventually("nothing is consumed", async || match &app.world().admin().get(&queue).await.unwrap()["consumers"] {
        none if *none == 0 => Ok(()),
        consumers => Err(format!("{consumers} consumers")),
    })
    .await;
}

fn with_a_port<S: Store>(service: Service<S>) -> Service<S> {
    service.settings("[http]\naddress = \"127.0.0.1:0\"\n").routes(|_| group(warp::path!("hello").map(|| "hello")), &[])
}

#[tokio::test]
async fn an_emptied_postgres_is_not_used_until_the_service_starts_again() {
    let service = with_a_port(probe::service());
    let app = TestApp::start(service, &[]).await;
    let store = &app.parts().store;
    is_well(store).await;

    store.execute("drop schema skeleton cascade", &[]).await.unwrap();

    counts_as_unavailable(store).await;
    all_work_ends(&app).await;
    // Such as another replica, or a command.
    let other = Postgres::migrated_by(&[]).open(app.settings()).unwrap();
    other.migrate().await.unwrap();
    is_well(&other).await;
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
async fn a_database_that_comes_back_after_it_was_lost_is_not_used_until_the_service_starts_again() {
    let app = TestApp::start(with_a_port(probe::service()), &[]).await;
    let store = &app.parts().store;

    store.execute("alter schema skeleton rename to gone", &[]).await.unwrap();
    all_work_ends(&app).await;
    store.execute("alter schema gone rename to skeleton", &[]).await.unwrap();

    // Such as a backup that was restored: the events since then would get numbers that were used before.
    is_well(store).await;
    // Longer than between two checks.
    let until = Instant::now() + Duration::from_secs(4);
    while Instant::now() < until {
        assert_ne!(app.running().health().ready().status, "ready");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    all_work_ends(&app).await;
    app.stop().await;
}

#[tokio::test]
async fn a_dropped_database_is_lost_and_not_waited_for() {
    let app = TestApp::start(with_a_port(probe::service()), &[]).await;
    let name: String = app.parts().store.query_one("select current_database()", &[]).await.unwrap().get(0);

    let admin = connect_as_admin(MAINTENANCE).await;
    admin.batch_execute(&format!("drop database {name} with (force)")).await.unwrap();

    counts_as_unmigrated(&app.parts().store).await;
    all_work_ends(&app).await;
    app.stop().await;
}

#[tokio::test]
async fn an_emptied_neo4j_is_not_used_until_the_service_starts_again() {
    let service = Service::named("contacts").store(Neo4j::migrated_by(&[("V1", "RETURN 1")]));
    let service = with_a_port(service.consumes(Subscriptions::new().on(on_registered)));
    let app = TestApp::start(service, &[]).await;
    let store = &app.parts().store;
    is_well(store).await;

    store.execute(query("MATCH (node) DETACH DELETE node")).await.unwrap();
    counts_as_unavailable(store).await;
    all_work_ends(&app).await;
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
    Registered { account_id: Uuid::new_v4(), name: name.to_owned(), ..accounts_events::samples::registered() }
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
    is_well(store).await;

    delete_indices(&bench.provisioned.name).await;

    counts_as_unavailable(store).await;
    store.claim("clean-up", "a", Duration::from_secs(1)).await.unwrap_err();
    assert_eq!(
        indices(&bench.provisioned.name).await,
        [""; 0],
        "an index in place of the alias would prevent the next start"
    );
    store.migrate().await.unwrap();
    is_well(store).await;
    bench.done().await;
}

#[tokio::test]
async fn an_emptied_elasticsearch_is_not_used_until_the_service_starts_again() {
    let service = Service::named("contacts").read_model_store(Elasticsearch::indexed_by(&[]));
    let service = with_a_port(service.consumes(Subscriptions::new().on(index_registered)));
    let app = TestApp::start(service, &[]).await;

    delete_indices(&format!("search-{}-contacts", app.world().vhost())).await;

    all_work_ends(&app).await;
    app.stop().await;
}

async fn index_registered(_: Registered, _: &mut Index) -> HandlerResult {
    Ok(())
}

async fn delete_indices(prefix: &str) {
    for index in indices(prefix).await {
        let url = format!("{}/{index}", Servers::from_env().elasticsearch);
        assert!(reqwest::Client::new().delete(url).send().await.unwrap().status().is_success());
    }
}

async fn indices(prefix: &str) -> Vec<String> {
    let url = format!("{}/{prefix}-*/_alias", Servers::from_env().elasticsearch);
    let found: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
    found.as_object().unwrap().keys().cloned().collect()
}
