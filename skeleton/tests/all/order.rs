//! Tests of order, on a real broker, Postgres and Neo4j.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU32, Ordering::Relaxed},
};

use contacts_events::{ImportCancelled, ImportFailed, ImportFinished, ImportProgressed, ImportStarted};
use events::Envelope;
use skeleton::{
    HandlerResult, Neo4j, Postgres, Problem, Publish, Service, Subscriptions,
    store::{Filter, SetAside, State, Store, neo4j, postgres},
    testing::{TestApp, TestStore, World, eventually, somebody},
};
use uuid::Uuid;

/// The number that handlers refuse, if any.
#[derive(Clone, Default)]
pub struct Refused(Arc<AtomicU32>);

impl Refused {
    fn check(&self, number: u32) -> HandlerResult {
        if self.0.load(Relaxed) != number {
            return Ok(());
        }
        Err(Problem::new(422, "refused", "this number is refused").into())
    }
}

/// A store in which handlers record what they have seen of each import.
pub trait Book: TestStore {
    fn service(name: &'static str) -> Service<Self>;
    fn seen(&self, import: Uuid) -> impl Future<Output = Vec<i64>>;
}

const PAGES: &str =
    "create table seen (place bigint generated always as identity, import_id uuid not null, number bigint not null)";

impl Book for Postgres {
    fn service(name: &'static str) -> Service<Self> {
        Service::named(name).store(Postgres::migrated_by(&[("V1__seen", PAGES)]))
    }

    async fn seen(&self, import: Uuid) -> Vec<i64> {
        let sql = "select number from seen where import_id = $1 order by place";
        self.query(sql, &[&import]).await.unwrap().iter().map(|row| row.get(0)).collect()
    }
}

pub async fn write(event: ImportProgressed, tx: &mut postgres::Tx) -> HandlerResult {
    tx.resource::<Refused>().check(event.added)?;
    let number = i64::from(event.added);
    tx.execute("insert into seen (import_id, number) values ($1, $2)", &[&event.import_id, &number]).await?;
    Ok(())
}

impl Book for Neo4j {
    fn service(name: &'static str) -> Service<Self> {
        Service::named(name).store(Neo4j::migrated_by(&[(
            "V1__seen",
            "CREATE INDEX seen IF NOT EXISTS FOR (seen:Seen) ON (seen.import);\n",
        )]))
    }

    async fn seen(&self, import: Uuid) -> Vec<i64> {
        let asked = "MATCH (seen:Seen {import: $import}) RETURN seen.number AS number ORDER BY seen.place";
        self.query(neo4j::query(asked).param("import", import.to_string())).await.unwrap()
    }
}

pub async fn note(event: ImportProgressed, tx: &mut neo4j::Tx) -> HandlerResult {
    tx.resource::<Refused>().check(event.added)?;
    let noted = "OPTIONAL MATCH (seen:Seen {import: $import}) WITH count(seen) AS place
        CREATE (:Seen {import: $import, number: $number, place: place})";
    let import = event.import_id.to_string();
    tx.execute(neo4j::query(noted).param("import", import).param("number", i64::from(event.added))).await?;
    Ok(())
}

async fn none<Tx, E>(_: E, _: &mut Tx) -> HandlerResult {
    Ok(())
}

fn in_order() -> Subscriptions<postgres::Tx> {
    Subscriptions::new()
        .in_order(write)
        .in_order(none::<_, ImportStarted>)
        .in_order(none::<_, ImportFinished>)
        .in_order(none::<_, ImportFailed>)
        .in_order(none::<_, ImportCancelled>)
}

pub fn ordered(refused: &Refused) -> Service<Postgres> {
    Postgres::service("notifications").with(refused.clone()).consumes(in_order())
}

pub fn ordered_graph(refused: &Refused) -> Service<Neo4j> {
    let subscriptions = Subscriptions::new()
        .in_order(note)
        .in_order(none::<_, ImportStarted>)
        .in_order(none::<_, ImportFinished>)
        .in_order(none::<_, ImportFailed>)
        .in_order(none::<_, ImportCancelled>);
    Neo4j::service("notifications").with(refused.clone()).consumes(subscriptions)
}

pub fn nth(import: Uuid, number: u32) -> ImportProgressed {
    ImportProgressed { import_id: import, added: number, ..contacts_events::samples::import_progressed() }
}

async fn send(world: &World, import: Uuid, number: u32) {
    let event = nth(import, number);
    let envelope = Envelope { sequence: Some(i64::from(number)), ..world.envelope_for(&event) };
    world.publish(&event, &envelope).await;
}

pub async fn sees<S: Book>(app: &TestApp<S>, import: Uuid, expected: &[i64]) {
    eventually(&format!("{expected:?} in this order"), async || {
        let seen = app.parts().store.seen(import).await;
        if seen == expected { Ok(()) } else { Err(format!("{seen:?}")) }
    })
    .await;
}

async fn set_aside<S: Store>(store: &S, state: State) -> Vec<SetAside> {
    store.list_set_aside(&Filter { state: Some(state), ..Filter::default() }, 100).await.unwrap()
}

pub async fn ends<S: Book>(app: &TestApp<S>, import: Uuid, number: u32) -> &'static str {
    app.receives_as(&nth(import, number), i64::from(number)).await.outcome
}

#[tokio::test]
async fn what_comes_too_early_waits_for_what_is_before_it() {
    what_comes_too_early_waits(TestApp::start(ordered(&Refused::default()), &[]).await).await;
}

#[tokio::test]
async fn what_comes_too_early_waits_for_what_is_before_it_in_neo4j() {
    what_comes_too_early_waits(TestApp::start(ordered_graph(&Refused::default()), &[]).await).await;
}

async fn what_comes_too_early_waits<S: Book>(app: TestApp<S>) {
    let import = Uuid::new_v4();

    assert_eq!(ends(&app, import, 3).await, "behind");
    assert_eq!(ends(&app, import, 2).await, "behind");
    assert_eq!(app.counts().await.behind, 2);
    assert_eq!(ends(&app, import, 1).await, "done");

    sees(&app, import, &[1, 2, 3]).await;
    app.finish().await;
}

#[tokio::test]
async fn what_comes_after_a_parked_event_of_its_subject_waits_behind_it() {
    let refused = Refused::default();
    what_comes_after_a_parked_event_waits(TestApp::start(ordered(&refused), &[]).await, refused).await;
}

#[tokio::test]
async fn what_comes_after_a_parked_event_of_its_subject_waits_behind_it_in_neo4j() {
    let refused = Refused::default();
    what_comes_after_a_parked_event_waits(TestApp::start(ordered_graph(&refused), &[]).await, refused).await;
}

async fn what_comes_after_a_parked_event_waits<S: Book>(app: TestApp<S>, refused: Refused) {
    let (import, other) = (Uuid::new_v4(), Uuid::new_v4());
    refused.0.store(2, Relaxed);

    assert_eq!(ends(&app, import, 1).await, "done");
    assert_eq!(ends(&app, import, 2).await, "parked");
    assert_eq!(ends(&app, import, 3).await, "behind");
    assert_eq!(ends(&app, import, 4).await, "behind");
    assert_eq!(ends(&app, other, 1).await, "done", "other subjects continue");

    refused.0.store(0, Relaxed);
    let parked: Vec<Uuid> = app.parked().await.iter().map(|kept| kept.message).collect();
    assert_eq!(app.parts().store.redrive(&parked, &somebody()).await.unwrap(), 1);
    sees(&app, import, &[1, 2, 3, 4]).await;
    app.finish().await;
}

#[tokio::test]
async fn what_a_person_drops_holds_nothing_up() {
    let refused = Refused::default();
    what_a_person_drops(TestApp::start(ordered(&refused), &[]).await, refused).await;
}

#[tokio::test]
async fn what_a_person_drops_holds_nothing_up_in_neo4j() {
    let refused = Refused::default();
    what_a_person_drops(TestApp::start(ordered_graph(&refused), &[]).await, refused).await;
}

async fn what_a_person_drops<S: Book>(app: TestApp<S>, refused: Refused) {
    let import = Uuid::new_v4();
    refused.0.store(1, Relaxed);
    assert_eq!(ends(&app, import, 1).await, "parked");
    assert_eq!(ends(&app, import, 2).await, "behind");
    assert_eq!(ends(&app, import, 3).await, "behind");

    let parked: Vec<Uuid> = app.parked().await.iter().map(|kept| kept.message).collect();
    assert_eq!(app.parts().store.drop_parked(&parked, &somebody()).await.unwrap(), 1);
    sees(&app, import, &[2, 3]).await;
    app.finish().await;
}

#[tokio::test]
async fn a_person_can_give_up_what_is_missing() {
    a_person_gives_up_what_is_missing(TestApp::start(ordered(&Refused::default()), &[]).await).await;
}

#[tokio::test]
async fn a_person_can_give_up_what_is_missing_in_neo4j() {
    a_person_gives_up_what_is_missing(TestApp::start(ordered_graph(&Refused::default()), &[]).await).await;
}

async fn a_person_gives_up_what_is_missing<S: Book>(app: TestApp<S>) {
    let import = Uuid::new_v4();
    assert_eq!(ends(&app, import, 4).await, "behind");
    assert_eq!(ends(&app, import, 6).await, "behind");
    let store = &app.parts().store;
    let behind = set_aside(store, State::Behind).await;
    let fourth = behind.iter().find(|kept| kept.place.as_ref().unwrap().number == 4).unwrap();
    assert_eq!(fourth.reason, "waits for number 1 of its subject");

    assert_eq!(store.redrive(&[fourth.message], &somebody()).await.unwrap(), 1);
    sees(&app, import, &[4]).await;
    assert_eq!(ends(&app, import, 2).await, "done", "a dropped number stays dropped");
    assert_eq!(ends(&app, import, 5).await, "done");
    sees(&app, import, &[4, 5, 6]).await;
    app.finish().await;
}

#[tokio::test]
async fn of_what_comes_in_disorder_the_latest_wins() {
    let service =
        Postgres::service("notifications").with(Refused::default()).consumes(Subscriptions::new().on_latest(write));
    let app = TestApp::start(service, &[]).await;
    let import = Uuid::new_v4();

    for number in [2, 1, 5, 4] {
        assert_eq!(ends(&app, import, number).await, "done");
    }

    sees(&app, import, &[2, 5]).await;
    app.finish().await;
}

/// The numbers 1 to `last`, shuffled within windows; the same seed gives the same order.
fn disorder(last: u32, window: usize, seed: u64) -> Vec<u32> {
    use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};
    let mut rng = StdRng::seed_from_u64(seed);
    let mut numbers: Vec<u32> = (1..=last).collect();
    for window in numbers.chunks_mut(window) {
        window.shuffle(&mut rng);
    }
    numbers
}

#[tokio::test]
async fn three_replicas_on_one_queue_keep_the_order_of_every_subject() {
    let app =
        TestApp::start(ordered(&Refused::default()), &[("broker", "prefetch", "7"), ("broker", "batch", "5")]).await;
    let replicas = [app.replica(ordered(&Refused::default())).await, app.replica(ordered(&Refused::default())).await];
    let imports: Vec<Uuid> = (0..12).map(|_| Uuid::new_v4()).collect();

    for number in disorder(40, 10, 7) {
        for import in &imports {
            send(app.world(), *import, number).await;
        }
    }

    let expected: Vec<i64> = (1..=40).collect();
    for import in &imports {
        sees(&app, *import, &expected).await;
    }
    for replica in replicas {
        assert!(replica.stop().await);
    }
    app.finish().await;
}

#[tokio::test]
async fn who_takes_part_of_a_subject_in_order_does_not_start() {
    let service =
        || Postgres::service("notifications").with(Refused::default()).consumes(Subscriptions::new().in_order(write));
    let app = TestApp::start(ordered(&Refused::default()), &[]).await;

    let Err(error) = app.try_replica(service(), &[]).await else { panic!("the service starts") };

    let text = error.to_string();
    for missing in ["import-started", "import-finished", "import-failed", "import-cancelled"] {
        assert!(text.contains(&format!("handle contacts.{missing}.v1 in order too")), "{text}");
    }
    app.finish().await;
}

#[tokio::test]
async fn replicas_share_the_partitions_and_order_holds() {
    let four = [("broker", "partitions", "4"), ("broker", "batch", "5")];
    let app = TestApp::start(ordered(&Refused::default()), &four).await;
    let second = app.replica(ordered(&Refused::default())).await;
    let by_second = Mutex::new(second.app.service.endings());
    let imports: Vec<Uuid> = (0..16).map(|_| Uuid::new_v4()).collect();

    // The first replica has all partitions until it sees the second: messages continue until that has its share.
    let sent = AtomicU32::new(0);
    let shared_after = eventually("a share for the second replica", async || {
        let number = sent.fetch_add(1, Relaxed) + 1;
        for import in &imports {
            send(app.world(), *import, number).await;
        }
        let seen = by_second.lock().unwrap().try_recv();
        seen.map(|_| number).map_err(|error| format!("after {number} events of each subject: {error}"))
    })
    .await;

    for number in shared_after + 1..=shared_after + 20 {
        for import in &imports {
            send(app.world(), *import, number).await;
        }
    }
    let expected: Vec<i64> = (1..=i64::from(shared_after) + 20).collect();
    for import in &imports {
        sees(&app, *import, &expected).await;
    }
    // Messages that the second replica left unacknowledged are redelivered to the first.
    assert!(second.stop().await);
    for import in &imports {
        send(app.world(), *import, shared_after + 21).await;
    }
    let expected: Vec<i64> = (1..=i64::from(shared_after) + 21).collect();
    for import in &imports {
        sees(&app, *import, &expected).await;
    }
    app.finish().await;
}

#[tokio::test]
async fn splitting_a_queue_otherwise_loses_nothing_and_keeps_the_order() {
    let app = TestApp::start(ordered(&Refused::default()), &[("broker", "batch", "5")]).await;
    let imports: Vec<Uuid> = (0..8).map(|_| Uuid::new_v4()).collect();
    let mut sent = 0;
    let mut running = None;

    for partitions in ["4", "2", "1", "3"] {
        let settings = [("broker", "partitions", partitions), ("broker", "batch", "5")];
        send_ten(&app, &imports, &mut sent).await;
        app.apply_topology(ordered(&Refused::default()), &settings).await;
        // Into the new queues, while only the old replica runs, which does not know them.
        send_ten(&app, &imports, &mut sent).await;
        let next = app.try_replica(ordered(&Refused::default()), &settings).await.unwrap();
        send_ten(&app, &imports, &mut sent).await;
        if let Some(before) = running.replace(next) {
            let before: skeleton::service::Running<Postgres> = before;
            assert!(before.stop().await);
        }
    }

    let expected: Vec<i64> = (1..=i64::from(sent)).collect();
    for import in &imports {
        sees(&app, *import, &expected).await;
    }
    // The former queues are empty now: applying again removes them.
    eventually("the former queues gone", async || {
        app.apply_topology(ordered(&Refused::default()), &[("broker", "partitions", "3")]).await;
        let mut queues = app.queues().await;
        queues.retain(|queue| queue.starts_with("notifications.events"));
        queues.sort();
        let planned = ["notifications.events.0", "notifications.events.1", "notifications.events.2"];
        if queues == planned { Ok(()) } else { Err(format!("{queues:?}")) }
    })
    .await;
    assert!(running.unwrap().stop().await);
    app.stop().await;
}

async fn send_ten(app: &TestApp<Postgres>, imports: &[Uuid], sent: &mut u32) {
    for number in *sent + 1..=*sent + 10 {
        for import in imports {
            send(app.world(), *import, number).await;
        }
    }
    *sent += 10;
}
