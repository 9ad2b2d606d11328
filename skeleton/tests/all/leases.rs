//! Leases: one holder at a time, and a fence that stops a paused holder.

use std::{sync::Arc, time::Duration};

use crate::processes::Process;
use skeleton::{
    App, Elasticsearch, Environment, Fenced, Lease, Leases, Neo4j, Postgres, Service, ServiceContext, Settings,
    failure::StoreErrorKind,
    stop::Stop,
    store::{Store, StoreBuilder, Transaction},
    testing::{TestApp, TestStore, eventually},
};

const MIGRATIONS: &[(&str, &str)] = &[(
    "V1__writes",
    "create table writes (position bigint generated always as identity, writer text not null, fence bigint not null);
     create table refusals (writer text not null)",
)];

/// Makes the other process skip the fence.
const UNFENCED: &str = "KITH_TEST_UNFENCED";

const LONG: Duration = Duration::from_secs(60);

fn service() -> Service<Postgres> {
    Service::named("contacts").store(Postgres::migrated_by(MIGRATIONS))
}

fn context() -> Arc<ServiceContext> {
    Arc::new(ServiceContext::new("contacts", Environment::system()))
}

async fn claimed<S: Leases>(store: &S, holder: &str, lasts: Duration) -> Lease {
    eventually(&format!("a lease for {holder}"), async || match store.claim("leader", holder, lasts).await.unwrap() {
        Some(lease) => Ok(lease),
        None => Err("another process holds it".to_owned()),
    })
    .await
}

async fn passes<S: Leases<Tx: Fenced>>(store: &S, lease: &Lease) -> bool {
    let mut tx = store.begin(&context(), &[]).await.unwrap();
    match tx.fence(lease).await {
        Ok(()) => {
            tx.commit().await.unwrap();
            true
        }
        Err(error) => {
            assert_eq!(error.kind, StoreErrorKind::Conflict, "{error}");
            false
        }
    }
}

/// Guarantees of every store with transactions.
async fn promises<S: Leases<Tx: Fenced>>(store: S) {
    let first = claimed(&store, "a", LONG).await;
    assert_eq!(store.claim("leader", "b", LONG).await.unwrap(), None);
    assert_eq!(store.claim("other", "b", LONG).await.unwrap().unwrap().fence, 1);
    assert_eq!(store.claim("leader", "a", LONG).await.unwrap().as_ref(), Some(&first), "renewing keeps the fence");
    assert!(passes(&store, &first).await);

    // It expires at once: on a busy machine a short lease may end before it is checked.
    assert_eq!(store.claim("leader", "a", Duration::ZERO).await.unwrap().as_ref(), Some(&first));
    let second = claimed(&store, "b", LONG).await;

    assert_eq!(second.fence, first.fence + 1);
    assert_eq!(store.claim("leader", "a", LONG).await.unwrap(), None);
    assert!(!passes(&store, &first).await, "an old fence passed");
    assert!(passes(&store, &second).await);
    store.release(&first).await.unwrap();
    assert!(passes(&store, &second).await, "a process without the lease released it");
    store.release(&second).await.unwrap();
    assert_eq!(store.claim("leader", "c", LONG).await.unwrap().unwrap().fence, second.fence + 1);
}

#[tokio::test]
async fn in_postgres_a_lease_has_one_holder_and_an_old_fence_fails() {
    let app = TestApp::start(service(), &[]).await;

    promises(app.parts().store.clone()).await;

    app.finish().await;
}

#[tokio::test]
async fn in_neo4j_a_lease_has_one_holder_and_an_old_fence_fails() {
    let provisioned = Neo4j::provision("leases").await;
    let mut settings = Settings::read_with("network", "", Default::default()).unwrap();
    for (key, value) in &provisioned.settings {
        settings.set("store", key, value.as_str());
    }
    let store = Neo4j::migrated_by(&[]).open(&settings).unwrap();
    store.migrate().await.unwrap();

    promises(store).await;

    Neo4j::remove(provisioned).await;
}

#[tokio::test]
async fn in_elasticsearch_a_lease_has_one_holder_and_an_old_fence_fails_when_it_is_looked_at() {
    let provisioned = Elasticsearch::provision(&format!("test-leases-{}", std::process::id())).await;
    let mut settings = Settings::read_with("search", "", Default::default()).unwrap();
    for (key, value) in &provisioned.settings {
        settings.set("store", key, value.as_str());
    }
    let store = Elasticsearch::indexed_by(&[]).open(&settings).unwrap();
    store.migrate().await.unwrap();

    promises(store).await;

    Elasticsearch::remove(provisioned).await;
}

#[tokio::test]
async fn a_lease_does_not_change_hands_before_a_fenced_transaction_ends_and_can_be_renewed_meanwhile() {
    let app = TestApp::start(service(), &[]).await;
    let store = &app.parts().store;
    let lease = claimed(store, "a", Duration::ZERO).await;
    let mut tx = store.begin(&app.parts().service, &[]).await.unwrap();

    tx.fence(&lease).await.unwrap();

    assert_eq!(store.claim("leader", "b", LONG).await.unwrap(), None, "the lease has run out, and is in use");
    assert!(store.claim("leader", "a", Duration::ZERO).await.unwrap().is_some());
    tx.commit().await.unwrap();
    assert_eq!(claimed(store, "b", LONG).await.fence, lease.fence + 1);
    app.finish().await;
}

/// Writes as the holder of a lease with a possibly outdated fence.
async fn write(store: &Postgres, writer: &str, lease: &Lease) -> Result<(), skeleton::StoreError> {
    let mut tx = store.begin(&context(), &[]).await?;
    tx.fence(lease).await?;
    tx.execute("insert into writes (writer, fence) values ($1, $2)", &[&writer, &lease.fence]).await?;
    tx.commit().await
}

/// A leader that never checks whether it still holds the lease: only the fence can stop it.
#[tokio::test]
#[ignore = "the other process of a test below"]
async fn stubborn_leader() {
    let settings = Settings::read("contacts", "").unwrap();
    let store = Postgres::migrated_by(MIGRATIONS).open(&settings).unwrap();
    let lease = claimed(&store, "stubborn", Duration::from_secs(1)).await;
    let is_fenced = std::env::var_os(UNFENCED).is_none();
    loop {
        store.claim("leader", "stubborn", Duration::from_secs(1)).await.unwrap();
        let written = if is_fenced { write(&store, "stubborn", &lease).await } else { write_unfenced(&store).await };
        match written {
            Ok(()) => {}
            Err(error) if error.kind == StoreErrorKind::Conflict => break,
            // Its connection was closed while it was paused.
            Err(_) => {}
        }
    }
    store.execute("insert into refusals (writer) values ('stubborn')", &[]).await.unwrap();
}

#[tokio::test]
async fn a_leader_that_was_stopped_and_goes_on_writes_nothing_after_its_successor() {
    let app = TestApp::start(service(), &[]).await;
    let store = &app.parts().store;
    let old = Process::start("leases::stubborn_leader", &app.variables());
    eventually("writes of the first leader", async || match writes(store).await {
        written if written.len() > 3 => Ok(()),
        written => Err(format!("{written:?}")),
    })
    .await;

    old.pause();
    let lease = claimed(store, "successor", LONG).await;
    write(store, "successor", &lease).await.unwrap();
    old.resume();

    eventually("the old leader's refusal", async || {
        let written = writes(store).await;
        let successor = written.iter().position(|(writer, _)| writer == "successor").unwrap();
        assert!(written[successor..].iter().all(|(writer, _)| writer == "successor"), "{:?}", &written[successor..]);
        match store.query("select from refusals", &[]).await.unwrap().len() {
            1 => Ok(()),
            seen => Err(format!("{seen} refusals")),
        }
    })
    .await;
    assert_eq!(lease.fence, 2);
    app.finish().await;
}

/// The control: the same without a check of the fence.
#[tokio::test]
async fn without_the_fence_it_does_write() {
    let app = TestApp::start(service(), &[]).await;
    let store = &app.parts().store;
    let unfenced = [app.variables(), vec![(UNFENCED.to_owned(), "yes".to_owned())]].concat();
    let old = Process::start("leases::stubborn_leader", &unfenced);
    eventually("writes of the first leader", async || match writes(store).await.len() {
        0..=3 => Err("too few".to_owned()),
        _ => Ok(()),
    })
    .await;

    old.pause();
    let lease = claimed(store, "successor", LONG).await;
    write(store, "successor", &lease).await.unwrap();
    old.resume();

    eventually("a write of the old leader after its successor's", async || match writes(store).await.last() {
        Some((writer, 1)) if writer == "stubborn" => Ok(()),
        last => Err(format!("{last:?}")),
    })
    .await;
    drop(old);
    app.finish().await;
}

async fn write_unfenced(store: &Postgres) -> Result<(), skeleton::StoreError> {
    store.execute("insert into writes (writer, fence) values ('stubborn', 1)", &[]).await.map(drop)
}

async fn writes(store: &Postgres) -> Vec<(String, i64)> {
    let rows = store.query("select writer, fence from writes order by position", &[]).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

async fn tick(app: App<Postgres>, lease: Lease, stop: Stop) {
    while !stop.is_stopped() {
        write(&app.store, &lease.holder, &lease).await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_singleton_runs_on_one_replica_and_on_another_when_that_one_stops() {
    let with_ticker = || service().singleton("ticker", tick);
    let app = TestApp::start(service(), &[]).await;
    let store = &app.parts().store;
    let first = app.replica(with_ticker()).await;
    let holders = async || {
        let mut holders: Vec<String> = writes(store).await.into_iter().map(|(holder, _)| holder).collect();
        holders.dedup();
        holders
    };
    let ticks = async |wanted: usize| {
        eventually("holders that take turns", async || match holders().await {
            seen if seen.len() == wanted => Ok(()),
            seen => Err(format!("{seen:?}")),
        })
        .await;
    };
    ticks(1).await;
    let (second, third) = (app.replica(with_ticker()).await, app.replica(with_ticker()).await);

    assert!(first.stop().await);

    ticks(2).await;
    let fences: Vec<i64> = writes(store).await.into_iter().map(|(_, fence)| fence).collect();
    assert!(fences.is_sorted(), "{fences:?}");
    assert!(second.stop().await && third.stop().await);
    app.finish().await;
}
