//! Indices are created once, and a new version takes over without a gap.

use serde_json::{Value, json};
use skeleton::{
    Elasticsearch,
    failure::StoreErrorKind,
    store::{Store, Transaction, elasticsearch::IndexPlan},
};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::bench::{Bench, FIRST, SECOND, Thing, begin, open};

async fn three_at_once(store: &Elasticsearch) {
    migrate_at_once(3, store).await;
}

async fn migrate_at_once(replicas: usize, store: &Elasticsearch) {
    let mut running = JoinSet::new();
    for _ in 0..replicas {
        let store = store.clone();
        running.spawn(async move { store.migrate().await.unwrap() });
    }
    running.join_all().await;
}

async fn versions(bench: &Bench) -> Vec<String> {
    let found = bench.raw(reqwest::Method::GET, "things-v*/_alias", Value::Null).await;
    let about = found.as_object().unwrap().iter();
    about
        .map(|(index, about)| {
            format!("{} {}", index.rsplit_once('-').unwrap().1, about["aliases"].as_object().unwrap().len())
        })
        .collect()
}

#[tokio::test]
async fn three_replicas_that_start_at_once_make_each_index_once() {
    let mut bench = Bench::new().await;
    bench.raw(reqwest::Method::DELETE, "things-v1", Value::Null).await;
    bench.raw(reqwest::Method::DELETE, "set-aside-v2", Value::Null).await;
    bench.store = open(&bench.provisioned, FIRST, &[]);

    three_at_once(&bench.store).await;

    bench.put(Uuid::new_v4(), 1, &bench.thing("first")).await.unwrap();
    assert_eq!(versions(&bench).await, ["v1 1"]);
    assert_eq!(bench.found(bench.owner).await, ["first"]);
    bench.done().await;
}

#[tokio::test]
async fn a_new_version_takes_over_with_documents_versions_and_tombstones() {
    let bench = Bench::new().await;
    let (alive, buried) = (Uuid::new_v4(), Uuid::new_v4());
    bench.put(alive, 7, &bench.thing("alive")).await.unwrap();
    bench.put(buried, 1, &bench.thing("buried")).await.unwrap();
    bench.bury(buried, 2).await;

    three_at_once(&open(&bench.provisioned, SECOND, &[])).await;

    assert_eq!(versions(&bench).await, ["v2 1"]);
    bench.put(alive, 6, &bench.thing("older")).await.unwrap();
    bench.put(buried, 1, &bench.thing("buried")).await.unwrap();
    assert_eq!(bench.found(bench.owner).await, ["alive"]);
    let mapping = bench.raw(reqwest::Method::GET, "things/_mapping", Value::Null).await;
    assert_eq!(mapping.as_object().unwrap().values().next().unwrap()["mappings"]["properties"]["size"]["type"], "long");
    bench.done().await;
}

#[tokio::test]
async fn a_replica_that_still_copies_when_another_deletes_the_old_version_goes_on() {
    let bench = Bench::new().await;
    for _ in 0..4 {
        let mut index = bench.begin().await;
        for _ in 0..5000 {
            index.put(Uuid::new_v4(), 1, &bench.thing("copied")).unwrap();
        }
        index.commit().await.unwrap();
    }

    migrate_at_once(12, &open(&bench.provisioned, SECOND, &[])).await;

    assert_eq!(versions(&bench).await, ["v2 1"]);
    bench.raw(reqwest::Method::POST, "things/_refresh", Value::Null).await;
    let counted = bench.raw(reqwest::Method::GET, "things/_count", Value::Null).await;
    assert_eq!(counted["count"], json!(20_000));
    bench.done().await;
}

#[tokio::test]
async fn what_is_written_and_erased_while_a_new_version_is_built_is_not_lost() {
    let bench = Bench::new().await;
    let (gone, stays) = (Uuid::new_v4(), bench.owner);
    let mut index = bench.begin().await;
    for _ in 0..3000 {
        index.put(Uuid::new_v4(), 1, &Thing { owner_id: gone, ..bench.thing("gone") }).unwrap();
    }
    index.commit().await.unwrap();
    let (store, thing) = (bench.store.clone(), bench.thing("stays"));
    let (sender, mut finished) = tokio::sync::oneshot::channel();

    let writing = tokio::spawn(async move {
        let mut written = 0;
        while finished.try_recv().is_err() {
            let mut index = begin(&store).await;
            index.put(Uuid::new_v4(), 1, &thing).unwrap();
            index.put(Uuid::new_v4(), 1, &Thing { owner_id: gone, ..thing.clone() }).unwrap();
            if written == 3 {
                index.erase(gone);
            }
            index.commit().await.unwrap();
            written += 1;
        }
        written
    });
    three_at_once(&open(&bench.provisioned, SECOND, &[])).await;
    sender.send(()).unwrap();
    let written = writing.await.unwrap();

    assert!(written > 3, "{written}");
    assert_eq!(versions(&bench).await, ["v2 1"]);
    bench.raw(reqwest::Method::POST, "things/_refresh", Value::Null).await;
    let count = async |owner: Uuid| {
        let owned = json!({ "query": { "term": { "owner_id": owner } } });
        bench.raw(reqwest::Method::POST, "things/_count", owned).await["count"].clone()
    };
    assert_eq!((count(stays).await, count(gone).await), (json!(written), json!(0)));
    bench.done().await;
}

#[tokio::test]
async fn an_abandoned_change_is_finished_by_the_next_start() {
    let bench = Bench::new().await;
    let (before, after) = (Uuid::new_v4(), Uuid::new_v4());
    bench.put(before, 1, &bench.thing("copied late")).await.unwrap();
    // The state after a replica died between moving the alias and copying the rest.
    let prefix = &bench.provisioned.name;
    let body: Value = serde_json::from_str(SECOND[0].body).unwrap();
    let mut body = body.clone();
    body["mappings"]["_meta"] = json!({ "made_from": body.to_string() });
    body["mappings"]["properties"]["owner_id"] = json!({ "type": "keyword" });
    body["mappings"]["properties"]["deleted"] = json!({ "type": "boolean" });
    bench.raw(reqwest::Method::PUT, "things-v2", body).await;
    for (action, version) in [("remove", 1), ("add", 2)] {
        let method = if action == "add" { reqwest::Method::PUT } else { reqwest::Method::DELETE };
        bench.raw(method, &format!("things-v{version}/_alias/{prefix}-things"), Value::Null).await;
    }
    bench.put(after, 1, &bench.thing("written after")).await.unwrap();

    three_at_once(&open(&bench.provisioned, SECOND, &[])).await;

    assert_eq!(versions(&bench).await, ["v2 1"]);
    assert_eq!(bench.found(bench.owner).await.len(), 2);
    bench.done().await;
}

#[tokio::test]
async fn an_older_service_leaves_a_newer_index_alone_and_goes_on() {
    let bench = Bench::new().await;
    open(&bench.provisioned, SECOND, &[]).migrate().await.unwrap();

    bench.store.migrate().await.unwrap();
    bench.put(Uuid::new_v4(), 1, &bench.thing("from the older one")).await.unwrap();

    assert_eq!(versions(&bench).await, ["v2 1"]);
    assert_eq!(bench.found(bench.owner).await, ["from the older one"]);
    bench.done().await;
}

#[tokio::test]
async fn a_text_that_changed_without_a_new_version_is_refused() {
    const CHANGED: &[IndexPlan] = &[IndexPlan { body: SECOND[0].body, ..FIRST[0] }];
    let bench = Bench::new().await;

    let refused = open(&bench.provisioned, CHANGED, &[]).migrate().await.unwrap_err();

    assert_eq!(refused.kind, StoreErrorKind::Broken);
    assert!(refused.to_string().contains("new version"), "{refused}");
    bench.done().await;
}

#[tokio::test]
async fn a_change_that_the_documents_do_not_fit_is_refused_and_the_old_version_keeps_serving() {
    const UNFIT: &[IndexPlan] = &[IndexPlan {
        name: "things",
        version: 2,
        body: r#"{ "mappings": { "dynamic": "strict", "properties": { "name": { "type": "integer" }, "size": { "type": "long" } } } }"#,
    }];
    let bench = Bench::new().await;
    bench.put(Uuid::new_v4(), 1, &bench.thing("no number")).await.unwrap();

    let refused = open(&bench.provisioned, UNFIT, &[]).migrate().await.unwrap_err();
    let mended = open(&bench.provisioned, SECOND, &[]).migrate().await.unwrap_err();

    assert!(!refused.to_string().contains("no number"), "{refused}");
    assert!(mended.to_string().contains("new version"), "{mended}");
    bench.put(Uuid::new_v4(), 1, &bench.thing("still served")).await.unwrap();
    assert_eq!(bench.found(bench.owner).await.len(), 2);
    bench.done().await;
}
