//! Tests of the removal of expired entries.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};
use skeleton::{
    Postgres, Service,
    expiry::{BATCH, remove_expired},
    stop,
    store::{Decisions, Store, neo4j::query},
    testing::{Servers, TestApp, eventually},
};
use tokio::time::Instant;
use uuid::Uuid;

use crate::{conformance::bench::neo4j, elasticsearch::bench as things, probe};

/// Inserts inbox entries that were received this many days ago.
async fn receive(store: &Postgres, count: i32, days: i32) {
    let sql = "insert into skeleton.inbox (message_id, taken_in_at)
        select gen_random_uuid(), now() - make_interval(days => $2::int) + n * interval '1 ms' from generate_series(1, $1::int) n";
    store.execute(sql, &[&count, &days]).await.unwrap();
}

async fn inbox(store: &Postgres) -> i64 {
    store.query("select count(*) from skeleton.inbox", &[]).await.unwrap()[0].get(0)
}

/// Takes the turn, so that the clean-up of the service under test removes nothing.
async fn keep_others_away(store: &Postgres) {
    eventually("the turn", async || {
        store.execute("delete from skeleton.leases where holder <> 'test'", &[]).await.unwrap();
        match store.may_clean_up("test", Duration::from_secs(600)).await.unwrap() {
            true => Ok(()),
            false => Err("another has it".to_owned()),
        }
    })
    .await;
}

#[tokio::test]
async fn a_backlog_of_expired_entries_goes_to_the_last_while_the_service_works() {
    const OLD: i32 = 300_000;
    let app = TestApp::start(probe::service(), &[]).await;
    let store = app.parts().store.clone();
    keep_others_away(&store).await;
    receive(&store, OLD, 15).await;
    receive(&store, 1000, 13).await;
    let (_sender, stop) = stop::channel();
    let began = Instant::now();

    let gone = remove_expired("inbox", &stop, |limit| store.clean_up("inbox", limit)).await.unwrap();

    let rate = f64::from(OLD) / began.elapsed().as_secs_f64();
    println!("{OLD} expired entries in {:?}: {rate:.0} a second", began.elapsed());
    assert_eq!((gone, inbox(&store).await), (OLD as u64, 1000));
    assert!(rate > 3000.0, "{rate} a second: less than a consumer can reach");
    app.finish().await;
}

/// Far more than a batch.
const BACKLOG: u64 = 20_000;

#[tokio::test]
async fn in_neo4j_a_backlog_of_expired_entries_goes_to_the_last() {
    let bench = neo4j().await;
    for age in [["P15D"; 10].as_slice(), &["P13D"]].concat() {
        let received = "UNWIND range(1, 2000) AS n
            CREATE (:Inbox {id: randomUUID(), taken_in_at: datetime() - duration($age)})";
        bench.store.execute(query(received).param("age", age)).await.unwrap();
    }
    let (_sender, stop) = stop::channel();
    let began = Instant::now();

    let gone = remove_expired("inbox", &stop, |limit| bench.store.clean_up("inbox", limit)).await.unwrap();

    println!("{BACKLOG} expired entries in {:?}", began.elapsed());
    let left: Option<i64> = bench.store.query_opt(query("RETURN COUNT { (:Inbox) } AS left")).await.unwrap();
    assert_eq!((gone, left), (BACKLOG, Some(2000)));
    bench.done().await;
}

#[tokio::test]
async fn in_elasticsearch_a_backlog_of_expired_entries_goes_to_the_last() {
    let bench = things::Bench::new().await;
    let mut lines = String::new();
    for nth in 0..BACKLOG + 100 {
        let age = TimeDelta::days(if nth < BACKLOG { 15 } else { 13 });
        let tombstone = json!({ "deleted": true, "buried_at": Utc::now() - age });
        lines.push_str(&format!("{{\"index\":{{\"_id\":\"{}\"}}}}\n{tombstone}\n", Uuid::new_v4()));
    }
    let url = format!("{}/{}-things/_bulk?refresh=true", Servers::from_env().elasticsearch, bench.provisioned.name);
    let written = reqwest::Client::new().post(url).header("content-type", "application/x-ndjson").body(lines);
    let written: Value = written.send().await.unwrap().json().await.unwrap();
    assert_eq!(written["errors"], false);
    let (_sender, stop) = stop::channel();
    let began = Instant::now();

    let gone = remove_expired("tombstones", &stop, |limit| bench.store.clean_up("tombstones", limit)).await.unwrap();

    println!("{BACKLOG} expired tombstones in {:?}", began.elapsed());
    let left = bench.raw(reqwest::Method::GET, "things/_count", Value::Null).await;
    assert_eq!((gone, left["count"].as_u64()), (BACKLOG, Some(100)));
    bench.done().await;
}

#[tokio::test]
async fn a_service_that_starts_removes_more_than_a_batch_by_itself() {
    let app = TestApp::start(Service::named("accounts").store(Postgres::migrated_by(&[])), &[]).await;
    let mut contacts = app.neighbour(&probe::service(), &[]).await;
    // Creates the tables. Its own first round is over when it has stopped.
    contacts.start(probe::service()).await;
    let database = contacts.store().clone();
    contacts.stop().await;
    let old = 5 * i32::try_from(BATCH).unwrap() + 1;
    receive(&database, old, 15).await;
    receive(&database, 1, 13).await;
    database.execute("delete from skeleton.leases", &[]).await.unwrap();

    contacts.start(probe::service()).await;

    eventually("no expired entries", async || match inbox(&database).await {
        1 => Ok(()),
        left => Err(format!("{left} left")),
    })
    .await;
    contacts.remove().await;
    app.finish().await;
}

#[tokio::test]
async fn one_replica_at_a_time_removes_what_has_expired() {
    let app = TestApp::start(probe::service(), &[]).await;
    let store = &app.parts().store;
    keep_others_away(store).await;

    let turns = [
        store.may_clean_up("test", Duration::from_secs(600)).await.unwrap(),
        store.may_clean_up("other", Duration::from_secs(600)).await.unwrap(),
        store.may_clean_up("test", Duration::from_secs(600)).await.unwrap(),
    ];

    assert_eq!(turns, [true, false, true]);
    app.finish().await;
}

#[tokio::test]
async fn every_kind_goes_in_batches_and_what_has_not_expired_stays() {
    let app = TestApp::start(probe::service(), &[]).await;
    let store = &app.parts().store;
    keep_others_away(store).await;
    let filled = [
        "insert into skeleton.sagas (name, saga_id, phase, state, begun_at, changed_at, keep_until)
            select 's', gen_random_uuid(), 'done', '{}', now(), now(), now() + (n - 2) * interval '1 day' - interval '1 hour'
            from generate_series(0, 5) n",
        "insert into skeleton.jobs (job_id, name, state, step, queued_at, ended_at)
            select gen_random_uuid(), 'j', 'done', gen_random_uuid(), now(), now() - (n + 11) * interval '1 day' - interval '1 hour'
            from generate_series(0, 5) n",
        "insert into skeleton.schedule_runs (name, due_at, noted_at)
            select 'r', now() - n * interval '1 day', now() - (n + 87) * interval '1 day' - interval '1 hour'
            from generate_series(0, 5) n",
    ];
    for sql in filled {
        store.execute(sql, &[]).await.unwrap();
    }

    for kind in ["sagas", "jobs", "schedule runs"] {
        let gone = [store.clean_up(kind, 2).await.unwrap(), store.clean_up(kind, 2).await.unwrap()];
        assert_eq!(gone, [2, 1], "{kind}");
    }
    assert!(store.clean_up("nothing", 1).await.is_err());
    app.finish().await;
}

#[tokio::test]
async fn expired_entries_are_found_by_an_index_whose_table_has_been_used_again_and_again() {
    let app = TestApp::start(probe::service(), &[("store", "connections", "1")]).await;
    let store = &app.parts().store;
    keep_others_away(store).await;
    receive(store, 200_000, 20).await;
    receive(store, 1, 1).await;
    // The space of removed entries is reused for newer ones: every page has held old entries.
    store.execute("vacuum skeleton.inbox", &[]).await.unwrap();
    store.execute("delete from skeleton.inbox where taken_in_at < now() - interval '18 days'", &[]).await.unwrap();
    store.execute("vacuum skeleton.inbox", &[]).await.unwrap();
    receive(store, 200_000, 1).await;
    receive(store, 100, 15).await;
    store.execute("vacuum analyze skeleton.inbox", &[]).await.unwrap();

    let before = blocks_read(store, "skeleton.inbox").await;
    assert_eq!(store.clean_up("inbox", BATCH).await.unwrap(), 100);
    let read = blocks_read(store, "skeleton.inbox").await - before;

    println!("{read} blocks for 100 rows");
    assert!(read < 1000, "{read} blocks of the table were read for 100 rows");
    app.finish().await;
}

/// Inserts decisions that were made this many days ago.
async fn decide(store: &Postgres, count: i32, days: i32) {
    let sql = "insert into skeleton.decisions (decided_at, decided_by, act, message_id, queue, name, reason)
        select now() - make_interval(days => $2::int), 'somebody', 'dropped', gen_random_uuid(), 'q', 'n', repeat('r', 100)
        from generate_series(1, $1::int)";
    store.execute(sql, &[&count, &days]).await.unwrap();
}

#[tokio::test]
async fn expired_decisions_are_found_by_an_index_whose_table_has_been_used_again() {
    let app = TestApp::start(probe::service(), &[("store", "connections", "1")]).await;
    let store = &app.parts().store;
    keep_others_away(store).await;
    decide(store, 50_000, 500).await;
    decide(store, 1, 1).await;
    store.execute("delete from skeleton.decisions where decided_at < now() - interval '450 days'", &[]).await.unwrap();
    store.execute("vacuum skeleton.decisions", &[]).await.unwrap();
    decide(store, 50_000, 1).await;
    decide(store, 10, 450).await;
    store.execute("vacuum analyze skeleton.decisions", &[]).await.unwrap();

    let before = blocks_read(store, "skeleton.decisions").await;
    let expired = Utc::now() - TimeDelta::days(400);
    assert_eq!(store.forget_decisions(expired, BATCH).await.unwrap(), 10);
    let read = blocks_read(store, "skeleton.decisions").await - before;

    println!("{read} blocks for 10 rows");
    assert!(read < 200, "{read} blocks of the table were read for 10 rows");
    app.finish().await;
}

/// How many blocks of a table were read in total, from memory or disk. The store has one connection: it reports its
/// pending statistics now.
async fn blocks_read(store: &Postgres, table: &str) -> i64 {
    store.query("select pg_stat_force_next_flush()", &[]).await.unwrap();
    let sql = "select heap_blks_read + heap_blks_hit from pg_statio_all_tables where relid = $1::text::regclass";
    store.query(sql, &[&table]).await.unwrap()[0].get(0)
}
