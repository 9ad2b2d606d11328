//! Tests of the Neo4j store, on a real server.

use std::{sync::Arc, time::Duration};

use contacts_events::ContactRemoved;
use skeleton::{
    Environment, Neo4j, Publish, Settings,
    failure::StoreErrorKind,
    store::{
        Outbox, ServiceContext, Store, StoreBuilder, Transaction,
        neo4j::{Tx, query, record},
    },
    testing::{Fault, Provisioned, Proxy, TestStore},
};
use tokio::{task::JoinSet, time::Instant};
use uuid::Uuid;

const MIGRATIONS: &[(&str, &str)] = &[(
    "V1__things",
    "CREATE CONSTRAINT thing_name IF NOT EXISTS FOR (thing:Thing) REQUIRE thing.name IS UNIQUE;\n
     MERGE (thing:Thing {name: 'first'}) ON CREATE SET thing.made = 0 SET thing.made = thing.made + 1;\n",
)];

/// A turn on the server until the end of the test, with an up-to-date store.
struct Bench {
    provisioned: Provisioned,
    store: Neo4j,
    service: Arc<ServiceContext>,
}

impl Bench {
    async fn new() -> Self {
        let provisioned = Neo4j::provision("neo4j").await;
        let store = open(&provisioned, &[]);
        store.migrate().await.unwrap();
        Self { provisioned, store, service: Arc::new(ServiceContext::new("contacts", Environment::system())) }
    }

    async fn begin(&self, inbox_ids: &[Uuid]) -> Tx {
        self.store.begin(&self.service, inbox_ids).await.unwrap()
    }

    async fn things(&self) -> i64 {
        count(&self.store, "MATCH (thing:Thing) RETURN count(thing)").await
    }
}

fn open(provisioned: &Provisioned, overrides: &[(&str, &str)]) -> Neo4j {
    let mut settings = Settings::read_with("network", "", Default::default()).unwrap();
    let given = provisioned.settings.iter().map(|(key, value)| (*key, value.as_str()));
    for (key, value) in given.chain(overrides.iter().copied()) {
        settings.set("store", key, value);
    }
    Neo4j::migrated_by(MIGRATIONS).open(&settings).unwrap()
}

async fn count(store: &Neo4j, question: &str) -> i64 {
    store.query_opt(query(question)).await.unwrap().unwrap()
}

/// Removes the constraints and indexes of earlier tests.
async fn without_structure(store: &Neo4j) {
    let constraints: Vec<String> = store.query(query("SHOW CONSTRAINTS YIELD name")).await.unwrap();
    for name in constraints {
        store.execute(query(&format!("DROP CONSTRAINT {name}"))).await.unwrap();
    }
    let indexes = "SHOW INDEXES YIELD name, type WHERE type <> 'LOOKUP' RETURN name";
    let indexes: Vec<String> = store.query(query(indexes)).await.unwrap();
    for name in indexes {
        store.execute(query(&format!("DROP INDEX {name}"))).await.unwrap();
    }
}

fn removed(contact: Uuid) -> ContactRemoved {
    ContactRemoved { contact_id: contact, ..contacts_events::samples::contact_removed() }
}

fn make(name: &str) -> skeleton::store::neo4j::Query {
    query("CREATE (:Thing {name: $name})").param("name", name)
}

#[tokio::test]
async fn a_transaction_that_is_dropped_leaves_nothing_and_holds_nobody_up() {
    let bench = Bench::new().await;
    let message = Uuid::new_v4();
    let mut dropped = bench.begin(&[message]).await;
    dropped.execute(make("dropped")).await.unwrap();
    dropped.publish(removed(message)).unwrap();

    drop(dropped);
    let mut next = bench.begin(&[message]).await;
    next.execute(make("dropped")).await.unwrap();

    assert!(next.is_new(message));
    next.commit().await.unwrap();
    assert_eq!((bench.things().await, bench.store.counts().await.unwrap().outbox), (2, 0));
    assert_eq!(bench.store.connections(), (0, 8));
}

#[tokio::test]
async fn a_change_left_for_later_is_made_before_anything_asks_about_it_and_with_the_commit() {
    const LATER: &str = "UNWIND $rows AS row CREATE (:Thing {name: row.name})";
    let bench = Bench::new().await;
    let mut tx = bench.begin(&[]).await;
    for name in ["one", "two"] {
        tx.execute_later(vec![name.to_owned()], LATER, record([("name", name.into())]));
    }
    let things = || query("MATCH (thing:Thing) RETURN count(thing)");

    let aside: Vec<i64> = tx.query_about(&["three".to_owned()], things()).await.unwrap();
    let about: Vec<i64> = tx.query_about(&["three".to_owned(), "two".to_owned()], things()).await.unwrap();
    tx.execute_later(vec!["three".to_owned()], LATER, record([("name", "three".into())]));
    let all: i64 = tx.query_one(things()).await.unwrap();
    tx.execute_later(vec!["four".to_owned()], LATER, record([("name", "four".into())]));
    tx.commit().await.unwrap();

    assert_eq!((aside, about, all), (vec![1], vec![3], 4));
    assert_eq!(bench.things().await, 5);
}

#[tokio::test]
async fn a_transaction_that_failed_has_ended_and_its_neighbours_go_on() {
    let bench = Bench::new().await;
    let mut failing = bench.begin(&[]).await;

    let twice = failing.execute(make("first")).await.unwrap_err();
    let wrong = bench.begin(&[]).await.execute(query("MAKE (:Thing)")).await.unwrap_err();

    assert_eq!((twice.kind, wrong.kind), (StoreErrorKind::Conflict, StoreErrorKind::Broken));
    assert!(!twice.to_string().contains("first"), "{twice}");
    assert!(failing.execute(make("second")).await.is_err());
    assert!(failing.commit().await.is_err());
    assert_eq!(bench.things().await, 1);
}

#[tokio::test]
async fn two_transactions_that_wait_for_each_other_are_told_to_try_again() {
    let bench = Bench::new().await;
    bench.store.execute(make("second")).await.unwrap();
    let lock = |name: &str| query("MATCH (thing:Thing {name: $name}) SET thing.taken = true").param("name", name);
    let (mut one, mut other) = (bench.begin(&[]).await, bench.begin(&[]).await);
    one.execute(lock("first")).await.unwrap();
    other.execute(lock("second")).await.unwrap();

    let (one, other) = tokio::join!(one.execute(lock("second")), other.execute(lock("first")));

    let errors: Vec<_> = [one, other].into_iter().filter_map(Result::err).map(|error| error.kind).collect();
    assert_eq!(errors, [StoreErrorKind::Conflict]);
}

#[tokio::test]
async fn one_replica_relays_and_another_takes_over_when_its_lease_has_ended() {
    let bench = Bench::new().await;
    let other = open(&bench.provisioned, &[]);
    let mut tx = bench.begin(&[]).await;
    tx.publish(removed(Uuid::nil())).unwrap();
    tx.commit().await.unwrap();
    assert_eq!(bench.store.next(10).await.unwrap().unwrap().len(), 1);
    assert!(other.next(10).await.unwrap().is_none());

    bench
        .store
        .execute(query("MATCH (lease:Lease) SET lease.expires_at = datetime() - duration('PT1S')"))
        .await
        .unwrap();

    let rows = other.next(10).await.unwrap().unwrap();
    let late = bench.store.postpone(&[&rows[0]]).await.unwrap_err();
    assert_eq!((late.kind, other.next(10).await.unwrap().unwrap().len()), (StoreErrorKind::Unavailable, 1));
    other.postpone(&[&rows[0]]).await.unwrap();
    let late = bench.store.readmit(&rows[0].route(), 10).await.unwrap_err();
    assert_eq!(late.kind, StoreErrorKind::Unavailable, "it would count as nothing to readmit");
    assert_eq!(other.readmit(&rows[0].route(), 10).await.unwrap(), [rows[0].position]);
    let late = bench.store.remove(&[rows[0].position]).await.unwrap_err();
    assert_eq!((rows.len(), late.kind), (1, StoreErrorKind::Unavailable));
    assert!(bench.store.next(10).await.unwrap().is_none());
    other.remove(&[rows[0].position]).await.unwrap();
    assert_eq!(bench.store.counts().await.unwrap().outbox, 0);
}

#[tokio::test]
async fn the_inbox_forgets_after_the_deduplication_window() {
    let bench = Bench::new().await;
    let (old, young) = (Uuid::new_v4(), Uuid::new_v4());
    bench.begin(&[old, young]).await.commit().await.unwrap();
    let aged = query("MATCH (entry:Inbox {id: $id}) SET entry.taken_in_at = datetime() - duration('P15D')");
    bench.store.execute(aged.param("id", old.to_string())).await.unwrap();

    assert_eq!(bench.store.clean_up("inbox", 1000).await.unwrap(), 1);

    let tx = bench.begin(&[old, young]).await;
    assert_eq!((tx.is_new(old), tx.is_new(young)), (true, false));
    tx.rollback().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_replicas_that_start_at_once_migrate_once() {
    let provisioned = Neo4j::provision("neo4j").await;
    without_structure(&open(&provisioned, &[])).await;
    let mut replicas = JoinSet::new();
    for _ in 0..3 {
        let store = open(&provisioned, &[]);
        replicas.spawn(async move { store.migrate().await });
    }

    for outcome in replicas.join_all().await {
        outcome.unwrap();
    }

    let store = open(&provisioned, &[]);
    assert_eq!(count(&store, "MATCH (thing:Thing {name: 'first'}) RETURN thing.made").await, 1);
    assert_eq!(count(&store, "MATCH (done:Migration {name: 'service V1__things'}) RETURN count(done)").await, 1);
    assert_eq!(count(&store, "MATCH (done:Migration) RETURN count(done) - count(DISTINCT done.name)").await, 0);
}

#[tokio::test]
async fn a_migration_that_has_changed_is_refused() {
    let bench = Bench::new().await;
    let changed = "MATCH (done:Migration {name: 'service V1__things'}) SET done.checksum = 'another'";
    bench.store.execute(query(changed)).await.unwrap();

    let error = bench.store.migrate().await.unwrap_err();

    assert_eq!(error.kind, StoreErrorKind::Broken);
    assert!(error.to_string().contains("V1__things has changed"), "{error}");
}

#[tokio::test]
async fn a_server_that_stops_answering_holds_nobody_up_and_is_used_again_when_it_is_back() {
    let bench = Bench::new().await;
    let (url, _) = bench.provisioned.settings[0].1.rsplit_once('@').unwrap();
    let server = bench.provisioned.settings[0].1.rsplit_once('@').unwrap().1;
    let proxy = Proxy::before(server).await;
    let store = open(
        &bench.provisioned,
        &[("url", &format!("{url}@{}", proxy.address())), ("connections", "2"), ("query_timeout_ms", "1000")],
    );
    store.ping().await.unwrap();
    let mut open_one = store.begin(&bench.service, &[]).await.unwrap();
    open_one.execute(make("lost")).await.unwrap();

    proxy.fault(Fault::Timeout);
    let began = Instant::now();
    let (asked, begun, going_on) =
        tokio::join!(store.ping(), store.begin(&bench.service, &[]), open_one.execute(make("lost too")));
    let took = began.elapsed();
    drop(open_one);
    proxy.heal();

    let kinds = [asked.unwrap_err().kind, begun.err().unwrap().kind, going_on.unwrap_err().kind];
    assert_eq!(kinds, [StoreErrorKind::Unavailable; 3]);
    assert!(took < Duration::from_secs(3), "{took:?}");
    let (mut one, mut other) =
        (store.begin(&bench.service, &[]).await.unwrap(), store.begin(&bench.service, &[]).await.unwrap());
    one.execute(make("one")).await.unwrap();
    other.execute(make("other")).await.unwrap();
    one.commit().await.unwrap();
    other.commit().await.unwrap();
    assert_eq!((bench.things().await, store.connections()), (3, (0, 2)));
}

#[tokio::test]
async fn a_question_that_takes_too_long_is_not_taken_for_a_server_that_is_down() {
    let bench = Bench::new().await;
    let store = open(&bench.provisioned, &[("query_timeout_ms", "200")]);
    let slow = "UNWIND range(1, 1000000) AS a UNWIND range(1, 1000000) AS b RETURN sum(a * b)";

    let error = store.query::<i64>(query(slow)).await.unwrap_err();

    assert_eq!(error.kind, StoreErrorKind::Conflict);
}

/// On a busy machine, a query's time limit is noticed late, together with the library's own.
#[tokio::test]
async fn a_query_whose_limits_all_pass_at_once_is_not_taken_for_a_server_that_is_down() {
    let bench = Bench::new().await;
    let store = open(&bench.provisioned, &[("query_timeout_ms", "1000")]);
    let slow = "UNWIND range(1, 1000000) AS a UNWIND range(1, 1000000) AS b RETURN sum(a * b)";

    for busy in [Duration::from_millis(1500), Duration::from_millis(3500)] {
        let asked = store.query::<i64>(query(slow));
        let blocked = async {
            // The query has been sent; then this thread, which the client shares, does something else.
            tokio::time::sleep(Duration::from_millis(300)).await;
            std::thread::sleep(busy);
        };
        let (answer, ()) = tokio::join!(asked, blocked);
        assert_eq!(answer.unwrap_err().kind, StoreErrorKind::Conflict, "busy for {busy:?}");
    }
}

#[tokio::test]
async fn a_lock_that_is_not_released_ends_the_query_before_the_clients_limit() {
    let bench = Bench::new().await;
    let (mut holder, mut other) = (bench.begin(&[]).await, bench.begin(&[]).await);
    let locked = "MATCH (thing:Thing {name: 'first'}) SET thing.is_taken = true";
    holder.execute(query(locked)).await.unwrap();

    let error = other.execute(query(locked)).await.unwrap_err();

    assert_eq!(error.kind, StoreErrorKind::Conflict);
    assert!(error.to_string().contains("LockAcquisitionTimeout"), "{error}");
    holder.rollback().await;
}

/// Postponed messages of one job kind, positions 1 to 300, and one to send far behind them.
const MANY_POSTPONED: &str = "UNWIND range(1, 300) AS position
    CREATE (:Outbox {position: position, exchange: 'jobs.contacts', routing_key: 'import-file.v1', envelope: '{}', body: '',
        written_at: datetime(), postponed_at: datetime(), ordering_key: 7})";

#[tokio::test]
async fn postponed_messages_are_passed_over_and_readmitted_from_the_first() {
    let bench = Bench::new().await;
    let store = &bench.store;
    store.execute(query(MANY_POSTPONED)).await.unwrap();
    let other =
        "CREATE (:Outbox {position: 301, exchange: 'events.contacts', routing_key: 'z.v1', envelope: '{}', body: '',
        written_at: datetime(), postponed_at: datetime(), ordering_key: 8})";
    store.execute(query(other)).await.unwrap();
    // Further behind than a step of a sweep.
    store.execute(query("MATCH (c:Counter {name: 'outbox'}) SET c.last = 250000")).await.unwrap();
    let mut tx = bench.begin(&[]).await;
    tx.publish(removed(Uuid::new_v4())).unwrap();
    tx.commit().await.unwrap();
    let positions =
        async || -> Vec<i64> { store.next(256).await.unwrap().unwrap().iter().map(|row| row.position).collect() };

    let first = positions().await;
    let found = store.first_postponed(&[8, 7, 7, 9]).await.unwrap();
    let counted: Vec<_> = store.postponed().await.unwrap().into_iter().collect();
    let readmitted = store.readmit(&counted[1].0, 2).await.unwrap();
    // Their envelopes cannot be read: they are set aside.
    let again = positions().await;

    assert_eq!((first, again), (vec![250_001], Vec::new()));
    assert_eq!(found.into_iter().collect::<Vec<_>>(), [(7, 1), (8, 301)]);
    let routes: Vec<_> = counted.iter().map(|(route, count)| (route.routing_key.as_str(), *count)).collect();
    assert_eq!(routes, [("z.v1", 1), ("import-file.v1", 300)]);
    assert_eq!((readmitted, store.unreadable().await.unwrap()), (vec![1, 2], 2));
    assert_eq!(positions().await, [250_001]);
    assert_eq!(store.postponed().await.unwrap().get(&counted[1].0), Some(&298));
}
