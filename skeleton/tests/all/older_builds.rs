//! Tests of the previous build on a schema that a newer one has migrated.

use accounts_events::Registered;
use skeleton::{
    Neo4j, Postgres, Service, Settings, Subscriptions,
    store::{Store, StoreBuilder, neo4j::query},
    testing::{TestApp, TestStore},
};
use uuid::Uuid;

use crate::probe;

const OLDER: &[(&str, &str)] = probe::MIGRATIONS;
const NEWER: &[(&str, &str)] = &[
    probe::MIGRATIONS[0],
    ("V2__note", "alter table effects add column note text"),
    ("V3__more", "create table more ()"),
];
/// Two branches have used the same migration number.
const CROSSED: &[(&str, &str)] = &[probe::MIGRATIONS[0], ("V2__note", NEWER[1].1)];
const CROSSING: &[(&str, &str)] = &[probe::MIGRATIONS[0], ("V3__more", NEWER[2].1)];

fn build(migrations: &'static [(&'static str, &'static str)]) -> Service<Postgres> {
    async fn on_registered(registered: Registered, tx: &mut skeleton::store::postgres::Tx) -> skeleton::HandlerResult {
        let sql = "insert into effects (contact_id, times) values ($1, 1)";
        tx.execute(sql, &[&registered.account_id]).await?;
        Ok(())
    }
    Service::named("contacts").store(Postgres::migrated_by(migrations)).consumes(Subscriptions::new().on(on_registered))
}

fn account() -> Registered {
    Registered { account_id: Uuid::new_v4(), ..accounts_events::samples::registered() }
}

#[tokio::test]
async fn the_build_before_starts_again_after_the_next_has_migrated_and_forward_again() {
    let app = TestApp::start(build(OLDER), &[]).await;
    let store = app.parts().store.clone();
    assert_eq!(app.receives(&account()).await.outcome, "done");
    assert!(app.replica(build(NEWER)).await.stop().await);
    // The migrations of a newer skeleton build as well.
    let newer = "insert into skeleton.skeleton_migrations (version, name, applied_on, checksum)
        values (9999, 'newer', '2027-01-01T00:00:00Z', '1')";
    store.execute(newer, &[]).await.unwrap();

    let older = app.try_replica(build(OLDER), &[]).await.unwrap();

    assert_eq!(app.receives(&account()).await.outcome, "done");
    assert!(older.stop().await);
    assert!(app.replica(build(NEWER)).await.stop().await);
    let rows = store.query("select version::int from skeleton.service_migrations order by 1", &[]).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.get(0)).collect::<Vec<i32>>(), [1, 2, 3]);
    app.finish().await;
}

#[tokio::test]
async fn a_migration_that_would_be_left_out_is_refused() {
    let app = TestApp::start(build(CROSSING), &[]).await;

    let Err(refused) = app.try_replica(build(CROSSED), &[]).await else { panic!("the service started") };

    let text = refused.to_string();
    assert!(text.contains("V2__note") && text.contains("version 3"), "{text}");
    app.finish().await;
}

const CHANGED: &[(&str, &str)] =
    &[("V1__probe", "create table effects (contact_id uuid primary key, times bigint not null)")];

#[tokio::test]
async fn a_migration_that_has_changed_since_it_ran_is_refused() {
    let app = TestApp::start(build(NEWER), &[]).await;

    let Err(refused) = app.try_replica(build(CHANGED), &[]).await else { panic!("the service started") };

    assert!(refused.to_string().contains("V1__probe"), "{refused}");
    app.finish().await;
}

const FIRST_NODES: &[(&str, &str)] = &[("V1__first", "MERGE (:Thing {name: 'first'});\n")];
const MORE_NODES: &[(&str, &str)] = &[FIRST_NODES[0], ("V2__second", "MERGE (:Thing {name: 'second'});\n")];

#[tokio::test]
async fn the_build_before_starts_again_on_neo4j() {
    let provisioned = Neo4j::provision("neo4j").await;
    let mut settings = Settings::read_with("network", "", Default::default()).unwrap();
    for (key, value) in &provisioned.settings {
        settings.set("store", key, value.as_str());
    }
    let open = |migrations| Neo4j::migrated_by(migrations).open(&settings).unwrap();
    for migrations in [FIRST_NODES, MORE_NODES, FIRST_NODES, MORE_NODES] {
        open(migrations).migrate().await.unwrap();
    }

    let things: Vec<String> =
        open(FIRST_NODES).query(query("MATCH (t:Thing) RETURN t.name ORDER BY t.name")).await.unwrap();
    assert_eq!(things, ["first", "second"]);
    Neo4j::remove(provisioned).await;
}
