//! Postgres for tests: a database for each test.

use chrono::TimeDelta;
use tokio::sync::OnceCell;
use tokio_postgres::{Client, NoTls};

use super::{Provisioned, Servers, TestStore};
use crate::store::postgres::{Postgres, migrations};

/// A database with the skeleton's tables; tests copy it, which takes less time than the migrations.
static TEMPLATE: OnceCell<String> = OnceCell::const_new();

/// The database for statements about databases: one that is in use can be neither copied nor dropped.
pub const MAINTENANCE: &str = "postgres";

/// The advisory lock around making the template: an arbitrary number, the same in every test program.
const LOCK: i64 = 0x6b69_7468_0101;

impl TestStore for Postgres {
    async fn provision(name: &str) -> Provisioned {
        let name = name.replace('-', "_");
        let template = TEMPLATE.get_or_init(template).await;
        as_admin(&format!("create database {name} template {template}")).await;
        let (url, password) = Servers::without_password(&address_of(&name));
        let settings = vec![("url", url), ("password", password), ("connections", "8".to_owned())];
        Provisioned { settings, guard: None, name }
    }

    async fn let_pass(&self, by: TimeDelta) {
        let seconds = by.as_seconds_f64();
        for sql in [
            "update skeleton.delayed set due_at = due_at - make_interval(secs => $1)",
            "update skeleton.set_aside set due_at = due_at - make_interval(secs => $1) where state = 'waiting'",
        ] {
            self.execute(sql, &[&seconds]).await.expect("the test's Postgres answers");
        }
    }

    async fn remove(provisioned: Provisioned) {
        as_admin(&format!("drop database if exists {} with (force)", provisioned.name)).await;
    }
}

/// Makes the template, unless this or another test program has made it. It stays: its name tells its content.
async fn template() -> String {
    let admin = connect_as_admin(MAINTENANCE).await;
    run(&admin, &format!("select pg_advisory_lock({LOCK})")).await;
    let name = format!("template_{}", migrations::checksum_of_own());
    let found = admin.query_opt("select 1 from pg_database where datname = $1", &[&name]).await;
    if found.expect("the test's Postgres answers").is_none() {
        // A test program that ends in between leaves no template with a part of the tables.
        let unfinished = format!("{name}_unfinished");
        run(&admin, &format!("drop database if exists {unfinished} with (force)")).await;
        run(&admin, &format!("create database {unfinished}")).await;
        let mut client = connect_as_admin(&unfinished).await;
        migrations::run_own(&mut client).await.expect("an empty database can be migrated");
        drop(client);
        run(&admin, &format!("alter database {unfinished} rename to {name}")).await;
    }
    name
}

/// The administrator's address of a database.
fn address_of(database: &str) -> String {
    let url = Servers::from_env().postgres;
    let (place, _) = url.rsplit_once('/').unwrap_or((&url, ""));
    format!("{place}/{database}")
}

async fn as_admin(sql: &str) {
    run(&connect_as_admin(MAINTENANCE).await, sql).await;
}

/// Connects to a database as the server's administrator, without the service's pool and limits.
///
/// # Panics
/// If the server does not respond, or has no such database.
pub async fn connect_as_admin(database: &str) -> Client {
    let connected = tokio_postgres::connect(&address_of(database), NoTls).await;
    let (client, connection) = connected.expect("the test's Postgres answers");
    // Ends with the client. A statement reports its errors itself.
    drop(tokio::spawn(connection));
    client
}

async fn run(client: &Client, sql: &str) {
    client.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
}
