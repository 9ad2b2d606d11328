//! Versions, tombstones, and batches that fail in part.

use std::sync::Arc;

use serde_json::{Value, json};
use skeleton::{
    Environment,
    failure::StoreErrorKind,
    store::{ServiceContext, Store, Transaction},
};
use uuid::Uuid;

use super::bench::{Bench, Same, Standing, Thing, envelope};

#[tokio::test]
async fn an_older_version_changes_nothing_whatever_the_order() {
    let bench = Bench::new().await;
    let id = Uuid::new_v4();

    bench.put(id, 2, &bench.thing("second")).await.unwrap();
    bench.put(id, 1, &bench.thing("first")).await.unwrap();
    bench.put(id, 3, &bench.thing("third")).await.unwrap();

    let kept = bench.kept(id).await;
    assert_eq!((&kept["_source"]["name"], &kept["_version"]), (&json!("third"), &json!(3)));
    bench.done().await;
}

#[tokio::test]
async fn a_repeat_changes_nothing() {
    let bench = Bench::new().await;
    let id = Uuid::new_v4();
    bench.put(id, 1, &bench.thing("one")).await.unwrap();
    let before = bench.kept(id).await;

    bench.put(id, 1, &bench.thing("one")).await.unwrap();

    assert_eq!(bench.kept(id).await, before);
    bench.done().await;
}

#[tokio::test]
async fn several_versions_of_one_document_in_a_batch_leave_the_newest() {
    let bench = Bench::new().await;
    let id = Uuid::new_v4();
    let mut index = bench.begin().await;

    for version in [1, 3, 2] {
        index.put(id, version, &bench.thing(&format!("version {version}"))).unwrap();
    }
    index.commit().await.unwrap();

    assert_eq!(bench.kept(id).await["_source"]["name"], "version 3");
    bench.done().await;
}

#[tokio::test]
async fn nothing_is_written_before_the_commit() {
    let bench = Bench::new().await;
    let id = Uuid::new_v4();
    let mut index = bench.begin().await;
    index.put(id, 1, &bench.thing("never")).unwrap();

    index.rollback().await;

    assert_eq!(bench.kept(id).await["found"], false);
    bench.done().await;
}

#[tokio::test]
async fn an_older_event_does_not_bring_back_what_was_buried() {
    let bench = Bench::new().await;
    let id = Uuid::new_v4();
    bench.put(id, 1, &bench.thing("Zoë")).await.unwrap();

    bench.bury(id, 3).await;
    bench.put(id, 2, &bench.thing("Zoë Müller")).await.unwrap();

    let kept = bench.kept(id).await;
    let fields: Vec<&String> = kept["_source"].as_object().unwrap().keys().collect();
    assert_eq!(fields, ["buried_at", "deleted"]);
    assert!(bench.found(bench.owner).await.is_empty());
    bench.done().await;
}

#[tokio::test]
async fn tombstones_are_forgotten_after_the_deduplication_window_and_marks_are_not() {
    let bench = Bench::new().await;
    let (old, new, alive) = (Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4());
    let long_ago = Standing(chrono::Utc::now() - chrono::Duration::days(15));
    let then = Arc::new(ServiceContext::new("search", Environment::new(long_ago, Same)));
    let mut index = bench.store.begin(&then, &[]).await.unwrap();
    index.bury::<Thing>(old, 1);
    index.erase(bench.owner);
    index.commit().await.unwrap();
    bench.bury(new, 1).await;
    bench.put(alive, 1, &Thing { owner_id: Uuid::new_v4(), ..bench.thing("alive") }).await.unwrap();
    bench.raw(reqwest::Method::POST, "things/_refresh", Value::Null).await;

    let forgotten = bench.store.clean_up("tombstones", 1000).await.unwrap();

    let mut there = Vec::new();
    for id in [old, new, alive] {
        there.push(bench.kept(id).await["found"].clone());
    }
    assert_eq!((forgotten, there), (1, vec![json!(false), json!(true), json!(true)]));
    let mark = bench.raw(reqwest::Method::GET, &format!("erased/_doc/{}", bench.owner), Value::Null).await;
    assert_eq!(mark["found"], true);
    bench.done().await;
}

#[tokio::test]
async fn of_a_batch_the_good_is_written_and_the_bad_is_named_without_its_values() {
    let bench = Bench::new().await;
    let (good, bad, after) = (Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4());
    let mut index = bench.begin().await;
    index.put(good, 1, &bench.thing("good")).unwrap();
    index.put(bad, 1, &Thing { size: json!("a secret"), ..bench.thing("bad") }).unwrap();
    index.put(after, 1, &bench.thing("after")).unwrap();

    let error = index.commit().await.unwrap_err();

    assert_eq!(error.kind, StoreErrorKind::Broken);
    let text = error.to_string();
    assert!(
        text.contains("things") && text.contains("document_parsing_exception") && text.contains("field size"),
        "{text}"
    );
    assert!(!text.contains("secret"), "{text}");
    assert_eq!(
        (bench.kept(good).await["found"].clone(), bench.kept(after).await["found"].clone()),
        (json!(true), json!(true))
    );
    bench.done().await;
}

#[tokio::test]
async fn a_blocked_index_is_waited_for_and_nothing_is_lost() {
    let bench = Bench::new().await;
    let id = Uuid::new_v4();
    let block = |on: bool| json!({ "index.blocks.read_only_allow_delete": on });
    bench.raw(reqwest::Method::PUT, "things/_settings", block(true)).await;

    let blocked = bench.put(id, 1, &bench.thing("patient")).await.unwrap_err();
    bench.raw(reqwest::Method::PUT, "things/_settings", block(false)).await;
    bench.put(id, 1, &bench.thing("patient")).await.unwrap();

    assert_eq!(blocked.kind, StoreErrorKind::Unavailable, "{blocked}");
    assert_eq!(bench.kept(id).await["_source"]["name"], "patient");
    bench.done().await;
}

#[tokio::test]
async fn a_write_that_the_server_was_too_busy_for_is_sent_again_within_the_commit() {
    let bench = Bench::new().await;
    let id = Uuid::new_v4();
    bench.raw(reqwest::Method::PUT, "things/_settings", json!({ "index.blocks.write": true })).await;

    let thing = bench.thing("second try");
    let (written, ()) = tokio::join!(bench.put(id, 1, &thing), async {
        bench.raw(reqwest::Method::PUT, "things/_settings", json!({ "index.blocks.write": false })).await;
    });

    written.unwrap();
    assert_eq!(bench.kept(id).await["found"], true);
    bench.done().await;
}

#[tokio::test]
async fn the_version_is_the_number_of_the_event_and_without_one_it_is_refused() {
    let bench = Bench::new().await;
    let mut index = bench.begin().await;

    index.unit_of_work_mut().caused_by(&envelope(Some(41)));
    let numbered = index.version().unwrap();
    index.unit_of_work_mut().caused_by(&envelope(None));
    let refused = index.version().unwrap_err();

    assert_eq!(numbered, 41);
    assert!(matches!(refused, skeleton::Failure::Reject(_)), "{refused}");
    bench.done().await;
}

#[tokio::test]
async fn another_account_finds_nothing() {
    let bench = Bench::new().await;
    let stranger = Uuid::new_v4();
    bench.put(Uuid::new_v4(), 1, &bench.thing("mine")).await.unwrap();
    bench.put(Uuid::new_v4(), 1, &Thing { owner_id: stranger, ..bench.thing("theirs") }).await.unwrap();

    let (mine, theirs) = (bench.found(bench.owner).await, bench.found(stranger).await);

    assert_eq!((mine, theirs), (vec!["mine".to_owned()], vec!["theirs".to_owned()]));
    assert!(bench.found(Uuid::new_v4()).await.is_empty());
    bench.done().await;
}
