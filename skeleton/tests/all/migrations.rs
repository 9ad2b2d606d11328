//! Migrations that take long, and migrations that have to wait for a lock.

use std::time::Duration;

use skeleton::{
    Postgres, Settings,
    store::{Store, StoreBuilder},
    testing::{Provisioned, TestStore, connect_as_admin, eventually},
};
use tokio::time::Instant;
use uuid::Uuid;

const NOTES: (&str, &str) = ("V1__notes", "create table notes (note text not null)");
const OLDER: &[(&str, &str)] = &[NOTES];
const NEWER: &[(&str, &str)] = &[NOTES, ("V2__times", "alter table notes add column times integer")];
/// Longer than the role's time limit of a statement in these tests.
const SLOW: &[(&str, &str)] = &[("V1__slow", "select pg_sleep(3); create table notes (note text not null)")];

/// A database whose sessions have a short time limit for statements, as a role may have.
async fn provision() -> Provisioned {
    let mut provisioned =
        Postgres::provision(&format!("migrations-{}", &Uuid::new_v4().simple().to_string()[..12])).await;
    provisioned.settings[0].1.push_str("?options=-c%20statement_timeout%3D2000");
    provisioned
}

fn open(provisioned: &Provisioned, migrations: &'static [(&'static str, &'static str)]) -> Postgres {
    let mut settings = Settings::read_with("contacts", "", Default::default()).unwrap();
    for (key, value) in &provisioned.settings {
        settings.set("store", key, value.as_str());
    }
    Postgres::migrated_by(migrations).open(&settings).unwrap()
}

async fn count(store: &Postgres, sql: &str) -> i64 {
    store.query(sql, &[]).await.unwrap()[0].get(0)
}

#[tokio::test]
async fn a_migration_may_take_longer_than_a_statement_of_the_role() {
    let provisioned = provision().await;

    open(&provisioned, SLOW).migrate().await.unwrap();

    assert_eq!(count(&open(&provisioned, SLOW), "select count(*) from notes").await, 0);
    Postgres::remove(provisioned).await;
}

#[tokio::test]
async fn a_replica_waits_as_long_as_another_one_migrates() {
    let provisioned = provision().await;
    let (first, second) = (open(&provisioned, SLOW), open(&provisioned, SLOW));
    let migrating = tokio::spawn(async move { first.migrate().await });
    eventually("the first one migrates", async || match count(&second, "select count(*) from pg_stat_activity where query like 'select pg_sleep%' and datname = current_database()").await {
        1 => Ok(()),
        seen => Err(seen.to_string()),
    })
    .await;
    let began = Instant::now();

    second.migrate().await.unwrap();

    assert!(began.elapsed() > Duration::from_secs(2), "it did not wait: {:?}", began.elapsed());
    migrating.await.unwrap().unwrap();
    Postgres::remove(provisioned).await;
}

#[tokio::test]
async fn a_migration_that_waits_for_a_lock_does_not_block_writers() {
    let provisioned = provision().await;
    let (older, newer) = (open(&provisioned, OLDER), open(&provisioned, NEWER));
    older.migrate().await.unwrap();
    let held = "begin; select count(*) from notes";
    let reader = connect_as_admin(&provisioned.name).await;
    reader.batch_execute(held).await.unwrap();
    let migrating = tokio::spawn(async move { newer.migrate().await });
    let waits = "select count(*) from pg_locks where not granted and relation = 'notes'::regclass
        and database = (select oid from pg_database where datname = current_database())";
    eventually("the migration waits for the reader", async || match count(&older, waits).await {
        1 => Ok(()),
        seen => Err(seen.to_string()),
    })
    .await;

    // Each waits for at most one attempt of the migration, less than the time limit of a statement twice.
    for _ in 0..3 {
        let written = tokio::time::timeout(Duration::from_secs(20), async {
            while older.execute("insert into notes (note) values ('written')", &[]).await.is_err() {}
        });
        written.await.expect("a writer gets its turn while the migration waits");
    }
    assert!(!migrating.is_finished());
    reader.batch_execute("commit").await.unwrap();

    migrating.await.unwrap().unwrap();
    assert_eq!(count(&older, "select count(*) from notes where times is null").await, 3);
    Postgres::remove(provisioned).await;
}
