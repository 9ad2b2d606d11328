//! Tests of readiness with a large backlog and an exhausted connection pool.

use std::time::Duration;

use skeleton::{
    Postgres, Service,
    store::Store,
    testing::{TestApp, eventually},
};
use tokio::time::Instant;

use crate::probe;

const MANY: i64 = 300_000;

/// No relay, so that waiting messages stay.
fn service() -> Service<Postgres> {
    Service::named("contacts").read_model_store(Postgres::migrated_by(probe::MIGRATIONS))
}

#[tokio::test]
async fn a_large_backlog_and_a_pool_in_full_use_do_not_take_a_replica_out() {
    let app = TestApp::start(service(), &[("store", "statement_timeout_ms", "120000")]).await;
    let store = app.parts().store.clone();
    fill(&store).await;
    let began = Instant::now();
    let counts = store.counts().await.unwrap();
    let counting = began.elapsed();

    let (_, most) = store.connections();
    let in_use: Vec<_> = (0..most)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.query("select pg_sleep(60)", &[]).await })
        })
        .collect();
    eventually("all connections in use", async || match store.connections() {
        (used, all) if used == all => Ok(()),
        seen => Err(format!("{seen:?}")),
    })
    .await;
    let began = Instant::now();
    // Longer than the two checks that may fail.
    while began.elapsed() < Duration::from_secs(10) {
        let asked = Instant::now();
        store.ping().await.unwrap();
        assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
        let ready = app.running().health().ready();
        assert_eq!(ready.status, "ready", "{ready:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }

    println!("counting took {counting:?}: {counts:?}");
    assert!(counting < Duration::from_secs(1), "{counting:?}");
    assert!((10_001..=2 * MANY).contains(&counts.outbox), "{counts:?}");
    assert_eq!((counts.parked, counts.waiting, counts.behind), (10_001, 3, 0));
    assert!(counts.outbox_age_seconds > 3000.0, "{counts:?}");
    in_use.iter().for_each(tokio::task::JoinHandle::abort);
    app.stop().await;
}

async fn fill(store: &Postgres) {
    let outbox = "insert into skeleton.outbox (exchange, routing_key, envelope, body, written_at)
        select 'events.contacts', 'contact-removed.v1', '{}', '{}', now() - interval '1 hour' from generate_series(1, $1::bigint)";
    store.execute(outbox, &[&MANY]).await.unwrap();
    store.execute("alter table skeleton.set_aside disable trigger user", &[]).await.unwrap();
    let aside = "insert into skeleton.set_aside (message_id, queue, name, headers, body, state, attempts, due_at, reason, first_failed_at, last_failed_at)
        select gen_random_uuid(), 'contacts.other', 'n', '{}', '', case when n <= 3 then 'waiting' else 'parked' end, 1, now(), 'r', now(), now()
        from generate_series(1, $1::bigint) n";
    store.execute(aside, &[&MANY]).await.unwrap();
}
