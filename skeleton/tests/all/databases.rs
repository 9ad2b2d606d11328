//! Tests of databases that are unavailable, silent, deadlocked or half migrated.

use std::time::Duration;

use accounts_events::Registered;
use chrono::{TimeDelta, Utc};
use contacts_events::ChangeContact;
use skeleton::{
    HandlerResult, Postgres, RequestOptions, Service, Subscriptions,
    failure::StoreErrorKind,
    store::{Store, Transaction, postgres::Tx},
    testing::{Fault, Proxy, Servers, TestApp, TestClock, World, connect_as_admin, eventually},
};
use tokio::time::Instant;
use tokio_postgres::Client;
use uuid::Uuid;

use crate::probe;

/// A world whose service reaches its database through a proxy, and the administrator's direct connection to it.
struct Scene {
    app: TestApp<Postgres>,
    proxy: Proxy,
    direct: Client,
}

impl Scene {
    async fn start(settings: &[(&str, &str, &str)]) -> Self {
        let world = World::new().await;
        let (url, _) = Servers::without_password(&Servers::from_env().postgres);
        let (user, place) = url.rsplit_once('@').unwrap();
        let database = format!("{}_contacts", world.vhost().replace('-', "_"));
        let proxy = Proxy::before(place.split_once('/').unwrap().0).await;
        let url = format!("{user}@{}/{database}", proxy.address());
        let settings = [settings, &[("store", "url", url.as_str()), ("retry", "waits_ms", "[10]")]].concat();
        let app = world.start(probe::service(), &settings).await;
        Self { app, proxy, direct: connect_as_admin(&database).await }
    }

    async fn count(&self, sql: &str) -> i64 {
        self.direct.query_one(sql, &[]).await.unwrap().get(0)
    }

    /// Blocks commits that change an effect until [`Scene::lose_the_answers`].
    async fn hold_commits(&self) {
        let sql = "create function wait_at_commit() returns trigger language plpgsql as
                'begin perform pg_advisory_xact_lock_shared(42); return null; end';
            create constraint trigger wait_at_commit after insert or update on effects
                deferrable initially deferred for each row execute function wait_at_commit();
            select pg_advisory_lock(42)";
        self.direct.batch_execute(sql).await.unwrap();
    }

    /// Waits until this many transactions are in the middle of their commit.
    async fn are_committing(&self, count: i64) {
        let sql = "select count(*) from pg_locks where locktype = 'advisory' and objid = 42 and not granted
            and database = (select oid from pg_database where datname = current_database())";
        eventually("a blocked commit", async || match self.count(sql).await {
            seen if seen == count => Ok(()),
            seen => Err(seen.to_string()),
        })
        .await;
    }

    /// Lets the blocked commits complete, but drops their replies.
    async fn lose_the_answers(&self, effects: i64) {
        self.proxy.fault_down(Fault::Timeout);
        self.direct.batch_execute("select pg_advisory_unlock(42)").await.unwrap();
        eventually("the commit", async || match self.count("select count(*) from effects").await {
            seen if seen == effects => Ok(()),
            seen => Err(seen.to_string()),
        })
        .await;
        self.proxy.cut();
        self.proxy.heal();
    }

    async fn finish(self) {
        drop(self.direct);
        self.app.finish().await;
    }
}

fn account() -> Registered {
    Registered { account_id: Uuid::new_v4(), ..accounts_events::samples::registered() }
}

async fn times(app: &TestApp<Postgres>, id: Uuid) -> i32 {
    let sql = "select times from effects where contact_id = $1";
    app.parts().store.query_opt(sql, &[&id]).await.unwrap().map_or(0, |row| row.get(0))
}

#[tokio::test]
async fn an_event_whose_commit_was_never_answered_has_one_effect() {
    let scene = Scene::start(&[]).await;
    let registered = account();
    let envelope = scene.app.world().envelope_for(&registered);
    scene.hold_commits().await;

    scene.app.world().publish(&registered, &envelope).await;
    scene.are_committing(1).await;
    scene.lose_the_answers(1).await;

    let ending = scene.app.receives_in(&account(), &scene.app.world().envelope_for(&account())).await;
    assert_eq!(ending.outcome, "done");
    assert_eq!(times(&scene.app, registered.account_id).await, 1);
    scene.finish().await;
}

#[tokio::test]
async fn an_order_whose_commit_was_never_answered_is_followed_once_when_it_is_given_again() {
    let scene = Scene::start(&[]).await;
    let asked = ChangeContact { contact_id: Uuid::new_v4(), ..contacts_events::samples::change_contact() };
    let asking = || RequestOptions { id: Some(asked.contact_id), ..RequestOptions::default() };
    scene.hold_commits().await;

    let (first, ()) = tokio::join!(scene.app.call_with(&asked, asking()), async {
        scene.are_committing(1).await;
        scene.lose_the_answers(1).await;
    });
    let again = scene.app.call_with(&asked, asking()).await.unwrap();

    let problem = first.unwrap_err();
    assert_eq!((problem.status, problem.retry_after), (503, Some(1)));
    assert_eq!((again.name.as_str(), times(&scene.app, asked.contact_id).await), ("1", 1));
    scene.finish().await;
}

#[tokio::test]
async fn a_database_that_does_not_answer_holds_nobody_up_and_is_used_again_when_it_is_back() {
    let scene = Scene::start(&[("store", "statement_timeout_ms", "1000"), ("store", "connections", "8")]).await;
    let store = scene.app.parts().store.clone();

    scene.proxy.fault_down(Fault::Timeout);
    // May share the readiness check of a moment ago, which was answered in time.
    let _ = store.ping().await;
    let began = Instant::now();
    let (asked, counted) = tokio::join!(store.ping(), store.counts());
    let took = began.elapsed();
    let registered: Vec<_> = (0..20).map(|_| account()).collect();
    for one in &registered {
        scene.app.world().publish(one, &scene.app.world().envelope_for(one)).await;
    }
    eventually("an unready service", async || match scene.app.running().health().ready().status {
        "ready" => Err("ready".to_owned()),
        _ => Ok(()),
    })
    .await;
    scene.proxy.heal();

    let kinds = [asked.unwrap_err().kind, counted.unwrap_err().kind];
    assert_eq!(kinds, [StoreErrorKind::Unavailable; 2]);
    // A request for a new connection waits 5 s.
    assert!(took < Duration::from_secs(8), "{took:?}");
    eventually("every effect once", async || {
        let sql = "select count(*) from effects where times = 1";
        match scene.count(sql).await {
            20 => Ok(()),
            seen => Err(seen.to_string()),
        }
    })
    .await;
    assert!(scene.app.parked().await.is_empty());
    eventually("no connection is in use", async || match store.connections() {
        (0, 8) => Ok(()),
        seen => Err(format!("{seen:?}")),
    })
    .await;
    scene.finish().await;
}

#[tokio::test]
async fn a_transaction_that_is_left_open_is_cut_and_holds_nobody_up() {
    let scene = Scene::start(&[("retry", "handler_timeout_ms", "400"), ("store", "idle_transaction_ms", "500")]).await;
    let (store, service) = (scene.app.parts().store.clone(), scene.app.parts().service.clone());
    let id = Uuid::new_v4();
    let count = "insert into effects as e (contact_id, times) values ($1, 1) on conflict (contact_id) do update set times = e.times + 1";
    let mut left_open = store.begin(&service, &[]).await.unwrap();
    left_open.execute(count, &[&id]).await.unwrap();

    let mut behind_it = store.begin(&service, &[]).await.unwrap();
    behind_it.execute(count, &[&id]).await.unwrap();
    behind_it.commit().await.unwrap();

    assert_eq!(left_open.execute(count, &[&id]).await.unwrap_err().kind, StoreErrorKind::Unavailable);
    drop(left_open);
    assert_eq!(times(&scene.app, id).await, 1);
    scene.finish().await;
}

/// Two rows that all handlers count in, in different orders.
fn quarrelsome() -> Service<Postgres> {
    async fn on_registered(registered: Registered, tx: &mut Tx) -> HandlerResult {
        let mut rows = [Uuid::from_u128(1), Uuid::from_u128(2)];
        if registered.account_id.as_u128().is_multiple_of(2) {
            rows.reverse();
        }
        for row in rows {
            tx.execute("update effects set times = times + 1 where contact_id = $1", &[&row]).await?;
        }
        Ok(())
    }
    Service::named("contacts")
        .store(Postgres::migrated_by(probe::MIGRATIONS))
        .consumes(Subscriptions::new().on(on_registered))
}

#[tokio::test]
async fn transactions_that_wait_for_each_other_are_tried_again_and_count_once() {
    let waits = ("retry", "waits_ms", "[10, 10, 10, 10, 10, 10, 10, 10]");
    // Small batches, so that the two replicas alternate.
    let app = TestApp::start(quarrelsome(), &[waits, ("broker", "batch", "2"), ("broker", "prefetch", "4")]).await;
    let store = &app.parts().store;
    for row in [1, 2] {
        let sql = "insert into effects (contact_id, times) values ($1, 0)";
        store.execute(sql, &[&Uuid::from_u128(row)]).await.unwrap();
    }
    // Deadlocks are detected soon, in all sessions from here on.
    let database: String = store.query("select current_database()::text", &[]).await.unwrap()[0].get(0);
    store.execute(&format!("alter database \"{database}\" set deadlock_timeout = '20ms'"), &[]).await.unwrap();
    let others = "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()
        and pid <> pg_backend_pid()";
    store.query(others, &[]).await.unwrap();
    let other = app.replica(quarrelsome()).await;
    let deadlocks = async || {
        let sql = "select deadlocks from pg_stat_database where datname = current_database()";
        store.query(sql, &[]).await.unwrap()[0].get::<_, i64>(0)
    };

    let mut sent = 0;
    while deadlocks().await == 0 {
        for _ in 0..50 {
            app.world().publish(&account(), &app.world().envelope_for(&account())).await;
        }
        sent += 50;
        assert!(sent <= 10_000, "there are no deadlocks");
    }

    eventually("each counts once in both rows", async || {
        let (first, second) = (times(&app, Uuid::from_u128(1)).await, times(&app, Uuid::from_u128(2)).await);
        if (first, second) == (sent, sent) { Ok(()) } else { Err(format!("{first} and {second} of {sent}")) }
    })
    .await;
    assert!(app.parked().await.is_empty());
    assert!(other.stop().await);
    app.finish().await;
}

const HALF: &[(&str, &str)] = &[
    probe::MIGRATIONS[0],
    ("V2__more", "create table more (id uuid primary key); alter table effects add column more uuid; select 1 / 0"),
];
const MENDED: &[(&str, &str)] = &[
    probe::MIGRATIONS[0],
    ("V2__more", "create table more (id uuid primary key); alter table effects add column more uuid"),
];

#[tokio::test]
async fn of_a_migration_that_fails_in_the_middle_nothing_stays_and_the_build_before_goes_on() {
    let app = TestApp::start(probe::service(), &[]).await;
    let next = |migrations| Service::named("contacts").store(Postgres::migrated_by(migrations));

    let Err(refused) = app.try_replica(next(HALF), &[]).await else { panic!("the service started") };

    let store = &app.parts().store;
    let text = refused.to_string();
    assert!(text.contains("V2") || text.contains("division by zero"), "{text}");
    assert!(store.query("select to_regclass('more')::text", &[]).await.unwrap()[0].get::<_, Option<&str>>(0).is_none());
    let registered = account();
    assert_eq!(app.receives(&registered).await.outcome, "done");
    assert_eq!(times(&app, registered.account_id).await, 1);

    let mended = app.try_replica(next(MENDED), &[]).await.unwrap();
    assert_eq!(store.query("select id from more", &[]).await.unwrap().len(), 0);
    assert_eq!(app.receives(&account()).await.outcome, "done");
    assert!(mended.stop().await);
    app.finish().await;
}

#[tokio::test]
async fn a_service_whose_servers_refuse_it_is_live_and_not_ready_until_they_are_there() {
    let app = TestApp::start(probe::service(), &[]).await;
    let refused = |url: &str, proxy: &Proxy| {
        let (before, place) = url.split_once('@').map_or(("", url), |(before, place)| (before, place));
        format!("{before}@{}/{}", proxy.address(), place.split_once('/').unwrap().1)
    };
    let variables = app.variables();
    let setting = |name: &str| variables.iter().find(|(key, _)| key == name).unwrap().1.clone();
    let (store_url, broker_url) = (setting("CONTACTS__STORE__URL"), setting("CONTACTS__BROKER__URL"));
    let place = |url: &str| url.split_once('@').unwrap().1.split_once('/').unwrap().0.to_owned();
    let (database, broker) = (Proxy::before(&place(&store_url)).await, Proxy::before(&place(&broker_url)).await);
    database.fault(Fault::Refuse);
    broker.fault(Fault::Refuse);
    let admin = free_address().await;
    let settings = [
        ("store", "url", &*refused(&store_url, &database)),
        ("broker", "url", &*refused(&broker_url, &broker)),
        ("admin", "address", &*admin),
    ];

    let looking_on = async {
        eventually("live and not ready", async || match statuses(&admin).await {
            [200, 503] => Ok(()),
            seen => Err(format!("{seen:?}")),
        })
        .await;
        database.heal();
        // The store alone is not enough.
        eventually("still not ready", async || match database.open() {
            0 => Err("no connection to the database".to_owned()),
            _ => Ok(()),
        })
        .await;
        assert_eq!(statuses(&admin).await, [200, 503]);
        broker.heal();
        eventually("live and ready", async || match statuses(&admin).await {
            [200, 200] => Ok(()),
            seen => Err(format!("{seen:?}")),
        })
        .await;
    };
    let (started, ()) = tokio::join!(app.try_replica(probe::service(), &settings), looking_on);

    assert!(started.unwrap().stop().await);
    app.finish().await;
}

async fn free_address() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().to_string()
}

/// The status codes of its liveness and readiness.
async fn statuses(admin: &str) -> [u16; 2] {
    let ask = async |path: &str| match reqwest::get(format!("http://{admin}/health/{path}")).await {
        Ok(answer) => answer.status().as_u16(),
        Err(_) => 0,
    };
    [ask("live").await, ask("ready").await]
}

#[tokio::test]
async fn a_service_whose_clock_is_wrong_waits_as_long_as_any_other() {
    for hours in [-1, 1] {
        let clock = TestClock::at(&Utc::now().to_rfc3339());
        clock.jump(TimeDelta::hours(hours));
        let world = World::in_environment(clock.environment()).await;
        let settings = [("retry", "waits_ms", "[500, 60000]"), ("retry", "jitter", "0")];
        let app = world.start(probe::service(), &settings).await;
        let mut endings = app.parts().service.endings();
        let failing = Registered { name: "fail".to_owned(), ..account() };

        app.world().publish(&failing, &app.world().envelope_for(&failing)).await;
        assert_eq!(endings.recv().await.unwrap().outcome, "waiting");
        let began = Instant::now();
        let second = tokio::time::timeout(Duration::from_secs(10), endings.recv()).await;

        assert_eq!(second.expect("it is retried").unwrap().outcome, "waiting");
        assert!(began.elapsed() > Duration::from_millis(400), "{hours} h: {:?}", began.elapsed());
        // One minute more, by any clock.
        assert!(tokio::time::timeout(Duration::from_secs(1), endings.recv()).await.is_err());
        app.stop().await;
    }
}
