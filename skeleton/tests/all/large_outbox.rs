//! An outbox with many postponed messages: the relay's cost does not grow with them.

use std::time::Duration;

use skeleton::{
    Postgres, Settings,
    store::{Outbox, Route, Store, StoreBuilder},
    testing::{Provisioned, TestStore, eventually},
};
use uuid::Uuid;

const POSTPONED: i64 = 60_000;
const KEY: i64 = 7;

async fn provision() -> (Provisioned, Postgres) {
    let provisioned = Postgres::provision(&format!("large-{}", &Uuid::new_v4().simple().to_string()[..12])).await;
    let store = open(&provisioned, &[]);
    store.migrate().await.unwrap();
    (provisioned, store)
}

fn open(provisioned: &Provisioned, overrides: &[(&str, &str)]) -> Postgres {
    let mut settings = Settings::read_with("contacts", "", Default::default()).unwrap();
    let given = provisioned.settings.iter().map(|(key, value)| (*key, value.as_str()));
    for (key, value) in given.chain(overrides.iter().copied()) {
        settings.set("store", key, value);
    }
    Postgres::migrated_by(&[]).open(&settings).unwrap()
}

/// Inserts messages of one job route that wait for a queue, and one of another route after them. A row fills a seventh of
/// a page.
async fn fill(store: &Postgres) {
    let rows = "insert into skeleton.outbox (exchange, routing_key, envelope, body, postponed_at, ordering_key)
        select 'jobs.contacts', 'import-file.v1', '{}', repeat('x', 1000), now(), $2::bigint from generate_series(1, $1::bigint)";
    store.execute(rows, &[&POSTPONED, &KEY]).await.unwrap();
    let other = rows.replace("import-file.v1", "other.v1");
    store.execute(&other, &[&3i64, &8i64]).await.unwrap();
    // After a while, statistics say that most rows are postponed.
    store.execute("analyze skeleton.outbox", &[]).await.unwrap();
}

/// The pid of the session that holds the relay's lock, or of one that waits for it.
async fn relay_sessions(store: &Postgres) -> Vec<i32> {
    let sql = "select pid from pg_stat_activity where datname = current_database()
        and (query like '%pg_try_advisory_lock%' or pid in (select pid from pg_locks where locktype = 'advisory'))
        and pid <> pg_backend_pid() order by pid";
    store.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

/// The number of pages of the outbox and its indexes that were read in total.
async fn pages_read(store: &Postgres) -> i64 {
    let sql = "select (heap_blks_read + heap_blks_hit + idx_blks_read + idx_blks_hit)::bigint
        from pg_statio_all_tables where relid = 'skeleton.outbox'::regclass";
    store.query(sql, &[]).await.unwrap()[0].get(0)
}

#[tokio::test]
async fn many_postponed_messages_of_one_key_are_not_read_to_find_those_to_send() {
    let (provisioned, store) = provision().await;
    fill(&store).await;
    let seen = open(&provisioned, &[("connections", "1")]);
    let before = pages_read(&seen).await;

    assert!(store.next(256).await.unwrap().unwrap().is_empty());
    let first = store.first_postponed(&[KEY, KEY, 8, 9]).await.unwrap();
    let postponed = store.postponed().await.unwrap();

    assert_eq!((first.get(&KEY), first.get(&8), first.get(&9)), (Some(&1), Some(&(POSTPONED + 1)), None));
    let route = |key: &str| Route { exchange: "jobs.contacts".to_owned(), routing_key: key.to_owned() };
    let counted: Vec<_> = postponed.into_iter().collect();
    assert_eq!(counted, [(route("import-file.v1"), 10_001), (route("other.v1"), 3)]);
    // Its session reports what it has read when it ends.
    let relay = relay_sessions(&seen).await;
    assert_eq!(relay.len(), 1);
    store.release_leadership().await;
    eventually("the relay's session has ended", async || match relay_sessions(&seen).await {
        sessions if sessions.is_empty() => Ok(()),
        sessions => Err(format!("{sessions:?}")),
    })
    .await;
    let read = pages_read(&seen).await - before;
    println!("{read} pages for {POSTPONED} postponed messages");
    assert!(read < 6000, "{read} pages were read");
    <Postgres as TestStore>::remove(provisioned).await;
}

#[tokio::test]
async fn a_standby_tries_for_the_lock_over_one_session() {
    let (provisioned, store) = provision().await;
    let standby = open(&provisioned, &[]);
    assert!(store.next(1).await.unwrap().is_some());
    assert!(standby.next(1).await.unwrap().is_none());
    let sessions = relay_sessions(&store).await;

    for _ in 0..20 {
        assert!(standby.next(1).await.unwrap().is_none());
    }

    assert_eq!((sessions.len(), relay_sessions(&store).await), (2, sessions));
    store.release_leadership().await;
    eventually("the standby takes over", async || match standby.next(1).await.unwrap() {
        Some(_) => Ok(()),
        None => Err("the lock is held".to_owned()),
    })
    .await;
    assert!(store.next(1).await.unwrap().is_none());
    <Postgres as TestStore>::remove(provisioned).await;
}

#[tokio::test]
async fn a_connection_keeps_a_limited_number_of_prepared_statements() {
    let (provisioned, _) = provision().await;
    let store = open(&provisioned, &[("connections", "1")]);

    for number in 0..1100 {
        store.query(&format!("select {number}"), &[]).await.unwrap();
    }

    let kept: i64 = store.query("select count(*) from pg_prepared_statements", &[]).await.unwrap()[0].get(0);
    assert!((1..=501).contains(&kept), "{kept} statements");
    <Postgres as TestStore>::remove(provisioned).await;
}

#[tokio::test]
async fn checks_of_the_store_at_the_same_time_share_one_answer() {
    let (provisioned, _) = provision().await;
    let (user, place) = provisioned.settings[0].1.rsplit_once('@').unwrap();
    let (server, database) = place.split_once('/').unwrap();
    let proxy = skeleton::testing::Proxy::before(server).await;
    let store = open(&provisioned, &[("url", &format!("{user}@{}/{database}", proxy.address()))]);
    store.ping().await.unwrap();
    proxy.fault(skeleton::testing::Fault::Timeout);
    let began = tokio::time::Instant::now();

    let answers = futures::future::join_all((0..5).map(|_| store.ping())).await;

    assert!(answers.iter().all(Result::is_err));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    proxy.heal();
    eventually("the store answers", async || store.ping().await.map_err(|error| error.to_string())).await;
    <Postgres as TestStore>::remove(provisioned).await;
}
