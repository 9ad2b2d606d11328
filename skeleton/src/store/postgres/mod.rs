//! Postgres: one transaction holds the inbox row, the handler's changes and the outbox rows.
//!
//! Order: a transaction that publishes locks the sequence of each subject until it ends. So positions in the outbox
//! grow in commit order for each subject, and the relay needs no cursor: it sends the oldest rows and deletes confirmed
//! ones. Only the holder of an advisory lock relays. It deletes over the session that holds the lock, so that a relay
//! that has lost the lock cannot delete.

mod bookmarks;
mod bound;
mod connecting;
mod counts;
mod decisions;
mod delays;
mod encryption;
mod error;
pub(crate) mod idempotency;
mod in_flight;
mod inbox;
mod jobs;
mod kept;
mod later;
mod leases;
mod limits;
mod lost_jobs;
pub(crate) mod migrations;
mod outbox;
mod probe;
mod replies;
mod rows;
mod sagas;
mod schedules;
mod session;
mod set_aside;
mod timeouts;
mod tx;
mod unreadable;

use std::{sync::Arc, time::Duration};

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime, Timeouts};
use serde::Deserialize;
use tokio::sync::Notify;
use tokio_postgres::{
    Client, Row,
    types::{Json, ToSql},
};
use tokio_postgres_rustls::MakeRustlsConnect;
use uuid::Uuid;

pub use self::tx::Tx;
use self::{
    in_flight::InFlight,
    outbox::{Relay, Standby},
    probe::Probe,
    session::{Session, prepared},
    set_aside::Conditions,
    timeouts::{fenced, limited, patience, within},
};
use super::{
    CLEAN_UP_LEASE, Counts, CursorsToCheck, Filter, Leases, ServiceContext, SetAside, Store, StoreBuilder, UnitOfWork,
    migrated::Migrated, names_of, target::Target,
};
use crate::{
    config::{RetryOverrides, RetrySettings, Secret, Settings, SettingsError, range},
    failure::StoreError,
    tls::Tls,
};

/// The kinds of entries that expire, and the statement that deletes at most `$1` of each. The server's clock decides,
/// since it has written the times.
const EXPIRING: [(&str, &str); 5] = [
    ("inbox", inbox::FORGET),
    ("sagas", sagas::FORGET),
    ("jobs", jobs::FORGET),
    ("schedule runs", schedules::FORGET),
    ("idempotency keys", idempotency::FORGET_EXPIRED),
];

/// A service's own Postgres database.
#[derive(Clone)]
pub struct Postgres {
    pool: Pool,
    config: Arc<tokio_postgres::Config>,
    tls: MakeRustlsConnect,
    patience: Duration,
    target: Arc<Target>,
    migrations: &'static [(&'static str, &'static str)],
    wakeup: Arc<Notify>,
    relay: Arc<Relay>,
    standby: Arc<Standby>,
    probe: Arc<Probe>,
    migrated: Migrated,
}

/// Opens a Postgres store.
pub struct PostgresBuilder {
    migrations: &'static [(&'static str, &'static str)],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoreSettings {
    /// `postgres://user@host:port/database?sslmode=require`, without the password. Plain text if `sslmode` is missing.
    url: String,
    #[serde(default)]
    password: Secret,
    /// A PEM file with the certificate authorities that signed the server's certificate, unless a public one did.
    #[serde(default)]
    tls_ca_file: Option<std::path::PathBuf>,
    /// Whether plain-text connections to a server on another machine are allowed.
    #[serde(default)]
    allow_plaintext: bool,
    /// The maximum number of connections.
    #[serde(default = "sixteen", deserialize_with = "range::at_least_1")]
    connections: usize,
    /// The time limit of a statement. If the server has not responded a second later, it counts as unavailable.
    #[serde(default = "half_a_minute", deserialize_with = "range::at_least_1")]
    statement_timeout_ms: u64,
    /// The time limit of an idle transaction. It must be longer than any handler may take: otherwise, that handler
    /// never completes.
    #[serde(default = "over_a_minute", deserialize_with = "range::at_least_1")]
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
    /// A store whose tables are created by these migrations: name (`V1__contacts`) and SQL, in order.
    pub fn migrated_by(migrations: &'static [(&'static str, &'static str)]) -> PostgresBuilder {
        PostgresBuilder { migrations }
    }

    /// Queries rows outside a transaction. Write the statement as a constant, with parameters: a connection keeps 500
    /// prepared statements, and then prepares all of them again.
    ///
    /// # Errors
    /// Fails if the store does not respond or the statement is invalid.
    pub async fn query(&self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, StoreError> {
        let client = InFlight::new(self.client().await?, self.tls.clone());
        let answer = within(self.patience, async {
            let statement = prepared(&client, sql).await?;
            client.query(&statement, parameters).await
        })
        .await;
        client.answered(&answer);
        answer
    }

    /// Queries at most one row, outside a transaction.
    ///
    /// # Errors
    /// As [`Postgres::query`]; also fails if there are more rows.
    pub async fn query_opt(&self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Option<Row>, StoreError> {
        at_most_one(self.query(sql, parameters).await?)
    }

    /// Executes a statement in a transaction of its own; for housekeeping only.
    ///
    /// # Errors
    /// As [`Postgres::query`].
    pub async fn execute(&self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<u64, StoreError> {
        let client = InFlight::new(self.client().await?, self.tls.clone());
        let answer = within(self.patience, async {
            let statement = prepared(&client, sql).await?;
            client.execute(&statement, parameters).await
        })
        .await;
        client.answered(&answer);
        answer
    }

    /// The number of connections in use, and the maximum.
    pub fn connections(&self) -> (usize, usize) {
        let status = self.pool.status();
        (status.size - status.available, status.max_size)
    }

    /// Takes a connection from the pool.
    async fn client(&self) -> Result<Object, StoreError> {
        self.pool.get().await.map_err(|error| self.target.pool_error(error))
    }

    async fn connect(&self) -> Result<Client, StoreError> {
        let connecting = self.config.connect(self.tls.clone());
        let connected = tokio::time::timeout(Duration::from_secs(5), connecting).await;
        let (client, connection) =
            connected.map_err(|_| self.target.no_answer())?.map_err(|error| self.target.connect_error(&error))?;
        tokio::spawn(connection);
        Ok(client)
    }
}

/// The longest time limit of a handler in milliseconds, if these settings are valid.
fn longest_handler(settings: &Settings) -> Option<u64> {
    let retry: RetrySettings = settings.section("retry").ok()?;
    let of = |section| {
        let overrides: RetryOverrides = settings.section(section).ok()?;
        overrides.handler_timeout_ms
    };
    [Some(retry.handler_timeout_ms), of("retry_events"), of("retry_jobs")].into_iter().flatten().max()
}

impl StoreBuilder for PostgresBuilder {
    type Store = Postgres;

    fn open(&self, settings: &Settings) -> Result<Postgres, SettingsError> {
        let section: StoreSettings = settings.section("store")?;
        let tls = Tls::new(section.tls_ca_file.as_deref(), section.allow_plaintext)
            .map_err(|error| settings.unusable("store", "tls_ca_file", error))?;
        let mut config =
            encryption::config_of(&section.url, &tls).map_err(|error| settings.unusable("store", "url", error))?;
        let tls = MakeRustlsConnect::new(tls.client_config());
        if !section.password.reveal().is_empty() {
            config.password(section.password.reveal());
        }
        config
            .application_name(settings.service())
            .connect_timeout(Duration::from_secs(5))
            .keepalives_idle(Duration::from_secs(10))
            .tcp_user_timeout(Duration::from_secs(10));
        let longest = longest_handler(settings);
        if let Some(longest) = longest.filter(|longest| *longest >= section.idle_transaction_ms) {
            let why = format!(
                "is {}, and must be longer than every handler_timeout_ms (one is {longest}): a handler that is cut off has \
                 no outcome",
                section.idle_transaction_ms
            );
            return Err(settings.unusable("store", "idle_transaction_ms", why));
        }
        let sessions = limited(&config, section.statement_timeout_ms, section.idle_transaction_ms);
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(sessions, tls.clone(), recycling);
        let timeouts = Timeouts {
            wait: Some(Duration::from_secs(5)),
            create: Some(Duration::from_secs(5)),
            recycle: Some(Duration::from_secs(2)),
        };
        let pool = Pool::builder(manager).max_size(section.connections).timeouts(timeouts).runtime(Runtime::Tokio1);
        Ok(Postgres {
            pool: pool.build().map_err(|error| settings.unusable("store", "connections", error))?,
            config: Arc::new(fenced(&config)),
            tls,
            patience: patience(section.statement_timeout_ms),
            target: Arc::new(Target::new(&connecting::place(&config), settings)),
            migrations: self.migrations,
            wakeup: Arc::default(),
            relay: Arc::default(),
            standby: Arc::default(),
            probe: Arc::default(),
            migrated: Migrated::default(),
        })
    }
}

impl Store for Postgres {
    type Tx = Tx;

    const EXPIRING: &'static [&'static str] = &names_of(EXPIRING);

    async fn begin(&self, service: &Arc<ServiceContext>, inbox_ids: &[Uuid]) -> Result<Tx, StoreError> {
        let client = self.client().await?;
        Tx::begin(
            Session::new(client, self.tls.clone()),
            UnitOfWork::new(service.clone()),
            self.wakeup.clone(),
            inbox_ids,
        )
        .await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        probe::first_migration(self).await.map(drop)
    }

    async fn check(&self) -> Result<(), StoreError> {
        match probe::first_migration(self).await {
            // It was dropped. Another one in its place is a store that was emptied or replaced.
            Err(error) if error.is_without_database() && self.migrated.is_noted() => {
                Err(StoreError::unmigrated("postgres"))
            }
            first => self.migrated.check("postgres", first?.as_deref()),
        }
    }

    async fn migrate(&self) -> Result<(), StoreError> {
        let mut client = self.connect().await?;
        migrations::run_own(&mut client).await?;
        migrations::run(&mut client, "skeleton.service_migrations", self.migrations).await?;
        self.migrated.note(probe::first_migration_over(&client).await?);
        Ok(())
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
        lines: &CursorsToCheck,
        except: &[String],
        limit: i64,
    ) -> Result<Vec<Uuid>, StoreError> {
        let rows = match lines {
            CursorsToCheck::All => self.query(set_aside::DUE, &[&queue, &except, &limit]).await?,
            CursorsToCheck::These(lines) => {
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
        counts::counts(self).await
    }

    async fn may_clean_up(&self, holder: &str, lasts: Duration) -> Result<bool, StoreError> {
        Ok(self.claim(CLEAN_UP_LEASE, holder, lasts).await?.is_some())
    }

    async fn clean_up(&self, kind: &str, limit: i64) -> Result<u64, StoreError> {
        let known = EXPIRING.iter().find(|(name, _)| *name == kind);
        let (_, sql) = known.ok_or_else(|| StoreError::broken(format!("unknown kind of expiring entries: {kind}")))?;
        self.execute(sql, &[&limit]).await
    }
}

fn at_most_one(mut rows: Vec<Row>) -> Result<Option<Row>, StoreError> {
    if rows.len() > 1 {
        return Err(StoreError::broken(format!("expected at most one row, found {}", rows.len())));
    }
    Ok(rows.pop())
}
