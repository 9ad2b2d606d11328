//! An erased account stays erased despite late or concurrent writes.

use serde_json::{Value, json};
use skeleton::store::Transaction;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::bench::{Bench, Thing, begin};

#[tokio::test]
async fn all_documents_of_an_erased_account_are_buried_and_no_others() {
    let bench = Bench::new().await;
    let neighbour = Uuid::new_v4();
    let mut index = bench.begin().await;
    for number in 0..2500 {
        index.put(Uuid::new_v4(), 1, &bench.thing(&format!("thing {number}"))).unwrap();
    }
    index.put(Uuid::new_v4(), 1, &Thing { owner_id: neighbour, ..bench.thing("next door") }).unwrap();
    index.commit().await.unwrap();

    bench.erase(bench.owner).await;
    bench.erase(bench.owner).await;

    assert!(bench.found(bench.owner).await.is_empty());
    assert_eq!(bench.found(neighbour).await, ["next door"]);
    let traces = json!({ "query": { "bool": { "should": [{ "term": { "owner_id": bench.owner } }, { "prefix": { "name": "thing" } }] } } });
    assert_eq!(bench.raw(reqwest::Method::POST, "things/_count", traces).await["count"], 0);
    bench.done().await;
}

#[tokio::test]
async fn a_late_event_brings_back_neither_a_known_document_nor_an_unknown_one() {
    let bench = Bench::new().await;
    let (known, unknown) = (Uuid::new_v4(), Uuid::new_v4());
    bench.put(known, 1, &bench.thing("known")).await.unwrap();
    bench.erase(bench.owner).await;

    bench.put(known, 2, &bench.thing("known, and changed")).await.unwrap();
    bench.put(unknown, 1, &bench.thing("unknown")).await.unwrap();
    bench.put(unknown, 9, &bench.thing("unknown, and changed")).await.unwrap();

    assert_eq!(bench.kept(known).await["_source"]["deleted"], true);
    assert_eq!(bench.kept(unknown).await["_source"]["deleted"], true);
    bench.done().await;
}

#[tokio::test]
async fn a_batch_that_writes_and_erases_leaves_nothing() {
    let bench = Bench::new().await;
    let id = Uuid::new_v4();
    let mut index = bench.begin().await;

    index.erase(bench.owner);
    index.put(id, 1, &bench.thing("too late")).unwrap();
    index.commit().await.unwrap();

    assert_eq!(bench.kept(id).await["_source"]["deleted"], true);
    bench.done().await;
}

#[tokio::test]
async fn writers_that_race_with_the_erasure_leave_nothing() {
    let bench = Bench::new().await;
    let (owner, ids): (_, Vec<Uuid>) = (bench.owner, (0..200).map(|_| Uuid::new_v4()).collect());
    let mut at_work = JoinSet::new();
    for (number, chunk) in ids.chunks(5).enumerate() {
        let (store, chunk, thing) = (bench.store.clone(), chunk.to_vec(), bench.thing("racing"));
        at_work.spawn(async move {
            let mut index = begin(&store).await;
            // One of many concurrent writes.
            if number == 20 {
                index.erase(owner);
            }
            for id in chunk {
                index.put(id, 1, &thing).unwrap();
            }
            index.commit().await.unwrap();
        });
    }
    at_work.join_all().await;

    bench.raw(reqwest::Method::POST, "things/_refresh", Value::Null).await;
    let alive = json!({ "query": { "bool": { "must_not": { "term": { "deleted": true } } } } });
    let count: Value = bench.raw(reqwest::Method::POST, "things/_count", alive).await;
    assert_eq!(count["count"], 0);
    bench.done().await;
}
