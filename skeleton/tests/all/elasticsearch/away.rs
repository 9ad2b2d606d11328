//! A server that is unavailable, does not answer, or refuses access.

use std::time::Duration;

use serde_json::json;
use skeleton::{
    StoreError,
    failure::StoreErrorKind,
    store::{CursorsToCheck, Decisions, Filter, Store},
    testing::{Fault, Proxy, somebody},
};
use tokio::time::Instant;
use uuid::Uuid;

use super::bench::{Bench, FIRST, Thing, open};

fn is_unavailable<T: std::fmt::Debug>(outcome: Result<T, StoreError>) -> bool {
    outcome.is_err_and(|error| error.kind == StoreErrorKind::Unavailable)
}

/// Runs every store operation and measures the time it took.
async fn asked_everything(bench: &Bench) -> Duration {
    let (store, id, begun) = (&bench.store, Uuid::new_v4(), Instant::now());
    let thing = Thing { owner_id: id, ..bench.thing("lost") };
    assert!(is_unavailable(store.ping().await));
    assert!(is_unavailable(store.migrate().await));
    assert!(is_unavailable(bench.put(id, 1, &thing).await));
    assert!(is_unavailable(store.failures_of(id).await));
    assert!(is_unavailable(store.due("search.events", &CursorsToCheck::All, &[], 1).await));
    assert!(is_unavailable(store.list_set_aside(&Filter::default(), 1).await));
    assert!(is_unavailable(store.redrive(&[id], &somebody()).await));
    assert!(is_unavailable(store.counts().await));
    assert!(is_unavailable(store.clean_up("tombstones", 1000).await));
    assert!(is_unavailable(store.find_of::<Thing>(id, &[]).await));
    begun.elapsed()
}

#[tokio::test]
async fn a_port_that_nobody_listens_on_is_told_at_once() {
    let mut bench = Bench::new().await;
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    bench.store = open(&bench.provisioned, FIRST, &[("url", &format!("http://search@{closed}"))]);

    let took = asked_everything(&bench).await;

    assert!(took < Duration::from_secs(5), "{took:?}");
    bench.done().await;
}

#[tokio::test]
async fn a_server_that_stops_answering_holds_nobody_up_and_is_used_again_when_it_is_back() {
    let mut bench = Bench::new().await;
    let url = &bench.provisioned.settings.iter().find(|(key, _)| *key == "url").unwrap().1;
    let (login, place) = url.rsplit_once('@').unwrap();
    let proxy = Proxy::before(place).await;
    let url = format!("{login}@{}", proxy.address());
    bench.store = open(&bench.provisioned, FIRST, &[("url", &url), ("timeout_ms", "1000")]);
    bench.store.ping().await.unwrap();

    proxy.fault(Fault::Timeout);
    let took = asked_everything(&bench).await;
    proxy.heal();

    assert!(took < Duration::from_secs(10 + 5), "{took:?}");
    let begun = Instant::now();
    while bench.put(Uuid::new_v4(), 1, &bench.thing("back")).await.is_err() {
        assert!(begun.elapsed() < Duration::from_secs(30));
    }
    assert_eq!(bench.found(bench.owner).await.first().map(String::as_str), Some("back"));
    bench.done().await;
}

#[tokio::test]
async fn a_wrong_password_and_another_services_index_are_refused() {
    let bench = Bench::new().await;
    let stranger = open(&bench.provisioned, FIRST, &[("password", "wrong")]);
    let elsewhere = open(&bench.provisioned, FIRST, &[("prefix", "contacts-of-others")]);

    let (wrong_password, wrong_place) = (stranger.ping().await, elsewhere.migrate().await);

    assert!(wrong_password.unwrap_err().to_string().contains("401"));
    assert!(wrong_place.unwrap_err().to_string().contains("403"));
    bench.done().await;
}

#[tokio::test]
async fn an_index_that_takes_no_changes_is_away() {
    let bench = Bench::new().await;
    for block in ["index.blocks.read_only_allow_delete", "index.blocks.read_only", "index.blocks.write"] {
        bench.raw(reqwest::Method::PUT, "things/_settings", json!({ block: true })).await;

        let (put, id) = (bench.put(Uuid::new_v4(), 1, &bench.thing("blocked")).await, Uuid::new_v4());

        assert!(is_unavailable(put), "{block}");
        bench.raw(reqwest::Method::PUT, "things/_settings", json!({ block: null })).await;
        bench.put(id, 1, &bench.thing("open")).await.unwrap();
    }
    bench.done().await;
}
