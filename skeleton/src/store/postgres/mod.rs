//! Postgres: one transaction holds the inbox row, the handler's changes and the outbox rows.
//!
//! Order: a transaction that publishes locks the sequence of each subject until it ends, so positions in the outbox
//! rise in commit order for each subject, and the relay needs no cursor: it sends the oldest rows and deletes what is
//! confirmed. Only the holder of an advisory lock relays; it deletes over the session that holds the lock, so a
//! relay that has lost the lock cannot delete.

mod bookmarks;
mod decisions;
mod delays;
mod error;
mod jobs;
mod later;
mod leases;
mod limits;
mod outbox;
mod patience;
mod replies;
mod sagas;
mod schedules;
mod session;
mod set_aside;
mod tx;

use std::{sync::Arc, time::Duration};

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime, Timeouts};
use refinery::{Migration, Runner};
use serde::Deserialize;
use tokio::sync::Notify;
use tokio_postgres::{
    Client, NoTls, Row,
    types::{Json, ToSql},
};
use uuid::Uuid;

pub use self::tx::Tx;
use self::{
    error::{store_error, unavailable},
    outbox::Relay,
    patience::{limited, patience, within},
    set_aside::Conditions,
};
use super::{Counts, Filter, LinesToCheck, Plan, ServiceContext, SetAside, Store, Work};
use crate::{
    config::{Secret, Settings},
    failure::{StoreError, StoreErrorKind},
};

/// What the skeleton keeps beside a service's own tables, in order.
const MESSAGING: &[(&str, &str)] = &[
    ("V1__messaging", include_str!("V1__messaging.sql")),
    ("V2__order", include_str!("V2__order.sql")),
    ("V3__decisions", include_str!("V3__decisions.sql")),
    ("V4__delays", include_str!("V4__delays.sql")),
    ("V5__sagas", include_str!("V5__sagas.sql")),
    ("V6__schedules", include_str!("V6__schedules.sql")),
    ("V7__limits", include_str!("V7__limits.sql")),
    ("V8__history", include_str!("V8__history.sql")),
    ("V11__set_aside", include_str!("V11__set_aside.sql")),
];

/// Any number, the same in every replica: the lock around migrations. The relay has another.
const MIGRATION_LOCK: i64 = 0x6b69_7468_0001;

/// A Postgres database of a service's own.
#[derive(Clone)]
pub struct Postgres {
    pool: Pool,
    config: Arc<tokio_postgres::Config>,
    patience: Duration,
    migrations: &'static [(&'static str, &'static str)],
    bell: Arc<Notify>,
    relay: Arc<Relay>,
}

/// A Postgres store that is not open yet.
pub struct PostgresPlan {
    migrations: &'static [(&'static str, &'static str)],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoreSettings {
    /// `postgres://user@host:port/database`, without the password.
    url: String,
    #[serde(default)]
    password: Secret,
    /// How many connections at most.
    #[serde(default = "sixteen")]
    connections: usize,
    /// How long a statement may take. A second later the server counts as away.
    #[serde(default = "half_a_minute")]
    statement_timeout_ms: u64,
    /// How long a transaction may do nothing: longer than any handler may take, or that handler never comes to an end.
    #[serde(default = "over_a_minute")]
    idle_transaction_ms: u64,
}

fn sixteen() -> usize {
    16
}

fn half_a_minute() -> u64 {
    30_000
}

fn over_a_minute() -> u64 {
    75_000
}

impl Postgres {
    /// A store whose structure these migrations make: name (`V1__contacts`) and SQL, in order.
    pub fn migrated_by(migrations: &'static [(&'static str, &'static str)]) -> PostgresPlan {
        PostgresPlan { migrations }
    }

    /// Asks for rows outside of a transaction.
    ///
    /// # Errors
    /// Where the store does not answer or the statement is wrong.
    pub async fn query(&self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, StoreError> {
        let client = self.pool.get().await.map_err(unavailable)?;
        let asked = within(self.patience, async {
            let statement = client.prepare_cached(sql).await?;
            client.query(&statement, parameters).await
        });
        returned(asked.await, client)
    }

    /// Asks for one row or none, outside of a transaction.
    ///
    /// # Errors
    /// As [`Postgres::query`]; also where there are more rows.
    pub async fn query_opt(&self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Option<Row>, StoreError> {
        at_most_one(self.query(sql, parameters).await?)
    }

    /// Changes rows, as a transaction of its own; for housekeeping only.
    ///
    /// # Errors
    /// As [`Postgres::query`].
    pub async fn execute(&self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<u64, StoreError> {
        let client = self.pool.get().await.map_err(unavailable)?;
        let asked = within(self.patience, async {
            let statement = client.prepare_cached(sql).await?;
            client.execute(&statement, parameters).await
        });
        returned(asked.await, client)
    }

    /// How many connections are in use and may be at most.
    pub fn connections(&self) -> (usize, usize) {
        let status = self.pool.status();
        (status.size - status.available, status.max_size)
    }

    async fn connect(&self) -> Result<Client, StoreError> {
        let connecting = self.config.connect(NoTls);
        let connected = tokio::time::timeout(Duration::from_secs(5), connecting).await;
        let (client, connection) =
            connected.map_err(|_| unavailable("no connection within 5 s"))?.map_err(unavailable)?;
        tokio::spawn(connection);
        Ok(client)
    }
}

impl Plan for PostgresPlan {
    type Store = Postgres;

    fn open(&self, settings: &Settings) -> Result<Postgres, StoreError> {
        let section: StoreSettings = settings.section("store").map_err(StoreError::broken)?;
        let mut config: tokio_postgres::Config = section.url.parse().map_err(StoreError::broken)?;
        if !section.password.reveal().is_empty() {
            config.password(section.password.reveal());
        }
        config
            .application_name(settings.service())
            .connect_timeout(Duration::from_secs(5))
            .keepalives_idle(Duration::from_secs(10))
            .tcp_user_timeout(Duration::from_secs(10));
        let sessions = limited(&config, section.statement_timeout_ms, section.idle_transaction_ms);
        let manager = Manager::from_config(sessions, NoTls, ManagerConfig { recycling_method: RecyclingMethod::Fast });
        let timeouts = Timeouts {
            wait: Some(Duration::from_secs(5)),
            create: Some(Duration::from_secs(5)),
            recycle: Some(Duration::from_secs(2)),
        };
        let pool = Pool::builder(manager).max_size(section.connections).timeouts(timeouts).runtime(Runtime::Tokio1);
        Ok(Postgres {
            pool: pool.build().map_err(StoreError::broken)?,
            config: Arc::new(config),
            patience: patience(section.statement_timeout_ms),
            migrations: self.migrations,
            bell: Arc::default(),
            relay: Arc::default(),
        })
    }
}

impl Store for Postgres {
    type Tx = Tx;

    async fn begin(&self, service: &Arc<ServiceContext>, take_in: &[Uuid]) -> Result<Tx, StoreError> {
        let client = self.pool.get().await.map_err(unavailable)?;
        Tx::begin(client, Work::new(service.clone()), self.bell.clone(), take_in).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.query("select 1", &[]).await.map(drop)
    }

    async fn migrate(&self) -> Result<(), StoreError> {
        let mut client = self.connect().await?;
        // The lock goes with the session. Without it, replicas that start together hurt each other.
        client.batch_execute(&format!("set lock_timeout = '120s'; select pg_advisory_lock({MIGRATION_LOCK}); create schema if not exists skeleton")).await.map_err(store_error)?;
        migrate(&mut client, "skeleton.skeleton_migrations", MESSAGING).await?;
        migrate(&mut client, "skeleton.service_migrations", self.migrations).await
    }

    async fn failures_of(&self, message: Uuid) -> Result<u32, StoreError> {
        let sql = "select attempts from skeleton.set_aside where message_id = $1";
        let row = self.query_opt(sql, &[&message]).await?;
        Ok(row.map_or(0, |row| row.get::<_, i32>(0).unsigned_abs()))
    }

    async fn set_aside(&self, kept: &SetAside) -> Result<(), StoreError> {
        let attempts = i32::try_from(kept.attempts).unwrap_or(i32::MAX);
        self.execute(
            set_aside::KEEP,
            &[
                &kept.message,
                &kept.queue,
                &kept.name,
                &kept.subject,
                &kept.place.as_ref().map(|place| &place.line),
                &kept.place.as_ref().map(|place| place.number),
                &Json(&kept.headers),
                &kept.body,
                &kept.state.as_str(),
                &attempts,
                &kept.due_at,
                &kept.reason,
                &kept.first_failed_at,
                &kept.last_failed_at,
                &kept.stack,
            ],
        )
        .await
        .map(drop)
    }

    async fn forget_waiting(&self, message: Uuid) -> Result<(), StoreError> {
        self.execute(set_aside::FORGET, &[&message]).await.map(drop)
    }

    async fn due(
        &self,
        queue: &str,
        lines: &LinesToCheck,
        except: &[String],
        limit: i64,
    ) -> Result<Vec<Uuid>, StoreError> {
        let rows = match lines {
            LinesToCheck::All => self.query(set_aside::DUE, &[&queue, &except, &limit]).await?,
            LinesToCheck::These(lines) => {
                self.query(set_aside::DUE_IN_LINES, &[&queue, &except, &limit, lines]).await?
            }
        };
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    async fn list_set_aside(&self, filter: &Filter, limit: i64) -> Result<Vec<SetAside>, StoreError> {
        let rows = self.query(set_aside::LIST, &Conditions::of(filter).then(&limit)).await?;
        Ok(rows.iter().map(set_aside::read).collect())
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        let sql = "select (select count(*) from skeleton.outbox),
            coalesce((select extract(epoch from now() - min(written_at)) from skeleton.outbox), 0)::float8,
            count(*) filter (where state = 'waiting'), count(*) filter (where state = 'behind'),
            count(*) filter (where state = 'parked') from skeleton.set_aside";
        let rows = self.query(sql, &[]).await?;
        let row = rows.first().ok_or_else(|| StoreError::broken("counting gave no row"))?;
        Ok(Counts {
            outbox: row.get(0),
            outbox_age_seconds: row.get::<_, f64>(1).max(0.0),
            waiting: row.get(2),
            behind: row.get(3),
            parked: row.get(4),
        })
    }

    async fn clean_up(&self) -> Result<u64, StoreError> {
        let sql = "delete from skeleton.inbox where message_id = any(array(
            select message_id from skeleton.inbox where taken_in_at < now() - interval '14 days' limit 10000))";
        let (sagas, jobs) = (self.execute(sagas::FORGET, &[]).await?, self.execute(jobs::FORGET, &[]).await?);
        Ok(self.execute(sql, &[]).await? + sagas + jobs)
    }
}

async fn migrate(client: &mut Client, table: &str, migrations: &[(&str, &str)]) -> Result<(), StoreError> {
    let migrations = migrations
        .iter()
        .map(|(name, sql)| Migration::unapplied(name, sql))
        .collect::<Result<Vec<_>, _>>()
        .map_err(StoreError::broken)?;
    let mut runner = Runner::new(&migrations);
    runner.set_migration_table_name(table);
    runner.run_async(client).await.map(drop).map_err(|error| StoreError::broken(format!("a migration failed: {error}")))
}

/// Gives a connection back to the pool, unless the server did not answer on it: then it is closed.
fn returned<T>(asked: Result<T, StoreError>, client: Object) -> Result<T, StoreError> {
    if asked.as_ref().is_err_and(|error| error.kind == StoreErrorKind::Unavailable) {
        drop(Object::take(client));
    }
    asked
}

fn at_most_one(mut rows: Vec<Row>) -> Result<Option<Row>, StoreError> {
    if rows.len() > 1 {
        return Err(StoreError::broken(format!("one row was expected, there are {}", rows.len())));
    }
    Ok(rows.pop())
}
