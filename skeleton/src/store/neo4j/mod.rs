//! Neo4j: one transaction holds the inbox node, the handler's changes and the outbox nodes.
//!
//! Every query has a time limit. A connection whose transaction has failed or hangs is closed and never reused: if the
//! server stops responding, no caller waits longer than the limit.

mod bookmarks;
mod decisions;
mod delays;
mod error;
mod jobs;
mod lanes;
mod leases;
mod migrations;
mod outbox;
mod pieces;
mod sagas;
mod schedules;
mod set_aside;
mod tx;

use std::{sync::Arc, time::Duration};

use neo4rs::{BoltMap, Config, ConfigBuilder};
use serde::{Deserialize, de::DeserializeOwned};
use tokio::sync::Notify;
use uuid::Uuid;

pub use neo4rs::{BoltType, Query, query};
pub use tx::Tx;

use self::{
    error::{store_error, unreadable},
    lanes::Lanes,
    outbox::Relay,
    set_aside::Kept,
};
use super::{CLEAN_UP_LEASE, Counts, CursorsToCheck, Filter, Leases, ServiceContext, SetAside, Store, StoreBuilder};
use crate::{
    config::{Secret, Settings},
    failure::StoreError,
    tls::Tls,
};

/// The number of rows fetched at once; more cost another round trip.
const ROWS_AT_ONCE: usize = 1000;

/// The time limit of a migration statement: creating an index over many nodes takes time.
const MIGRATION_LIMIT: Duration = Duration::from_secs(120);

/// The kinds of entries that expire, and the statement that deletes at most `$limit` of each. The server's clock
/// decides, since it has written the times.
const EXPIRING: &[(&str, &str)] =
    &[("inbox", FORGET_RECEIVED), ("sagas", sagas::FORGET), ("schedule runs", schedules::FORGET)];

/// Deletes messages received before the deduplication window of 14 days.
const FORGET_RECEIVED: &str = "MATCH (entry:Inbox) WHERE entry.taken_in_at < datetime() - duration('P14D')
    WITH entry LIMIT $limit DELETE entry RETURN count(*) AS removed";

/// The server keeps the number of nodes of a label. Nodes in a state are counted up to 10,001.
const COUNT: &str = "OPTIONAL MATCH (oldest:Outbox) WHERE oldest.position > 0
    WITH oldest ORDER BY oldest.position LIMIT 1
    CALL { MATCH (kept:SetAside {state: 'waiting'}) WITH kept LIMIT 10001 RETURN count(*) AS waiting }
    CALL { MATCH (kept:SetAside {state: 'behind'}) WITH kept LIMIT 10001 RETURN count(*) AS behind }
    CALL { MATCH (kept:SetAside {state: 'parked'}) WITH kept LIMIT 10001 RETURN count(*) AS parked }
    RETURN COUNT { (:Outbox) } AS outbox, waiting, behind, parked,
        toFloat(coalesce(datetime().epochMillis - oldest.written_at.epochMillis, 0)) / 1000 AS age";

/// A service's own Neo4j database.
#[derive(Clone)]
pub struct Neo4j {
    lanes: Arc<Lanes>,
    patient: Arc<Config>,
    migrations: &'static [(&'static str, &'static str)],
    wakeup: Arc<Notify>,
    relay: Arc<Relay>,
}

/// Opens a Neo4j store.
pub struct Neo4jBuilder {
    migrations: &'static [(&'static str, &'static str)],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoreSettings {
    /// `bolt+s://user@host:port`, or `bolt://` for plain text, without the password.
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
    #[serde(default = "sixteen")]
    connections: usize,
    /// The time limit of a query, in milliseconds.
    #[serde(default = "four_seconds")]
    query_timeout_ms: u64,
}

fn sixteen() -> usize {
    16
}

fn four_seconds() -> u64 {
    4000
}

impl StoreSettings {
    /// The connection settings; `limit` is the time limit for a connection and for each part of an answer.
    fn config(&self, limit: Duration) -> Result<Config, StoreError> {
        let wrong = || StoreError::broken("store.url: write it as bolt://user@host:port, without the password");
        let (scheme, rest) = self.url.split_once("://").ok_or_else(wrong)?;
        // A password would become a part of the user's name, which the server may show.
        let (user, place) = rest.rsplit_once('@').filter(|(user, _)| !user.contains(':')).ok_or_else(wrong)?;
        self.encrypted(scheme, place)?
            .uri(format!("{scheme}://{place}"))
            .user(user)
            .password(self.password.reveal())
            .max_connections(1)
            .fetch_size(ROWS_AT_ONCE)
            .connection_timeout(limit)
            .tcp_keepalive(Duration::from_secs(10))
            .build()
            .map_err(store_error)
    }
}

impl StoreSettings {
    /// The TLS part of the connection settings. Certificates are always checked, so schemes without that check are
    /// rejected.
    fn encrypted(&self, scheme: &str, place: &str) -> Result<ConfigBuilder, StoreError> {
        let tls = Tls::new(self.tls_ca_file.as_deref(), self.allow_plaintext).map_err(StoreError::broken)?;
        let builder = ConfigBuilder::default();
        if scheme.ends_with("+ssc") {
            return Err(StoreError::broken(format!(
                "store.url: {scheme}:// does not check certificates: write {}:// and set store.tls_ca_file",
                scheme.replace("+ssc", "+s")
            )));
        }
        if !scheme.ends_with("+s") {
            let host = reqwest::Url::parse(&format!("{scheme}://{place}"));
            let host = host.as_ref().ok().and_then(reqwest::Url::host_str).unwrap_or_default();
            tls.plaintext_to(host, "bolt+s://user@host:7687").map_err(StoreError::broken)?;
            return Ok(builder);
        }
        // Without a file, the driver uses the authorities that the operating system trusts.
        Ok(match tls.ca_file() {
            Some(file) => builder.with_client_certificate(file),
            None => builder,
        })
    }
}

impl Neo4j {
    /// A store whose schema is created by these migrations: name (`V1__people`) and Cypher, in order. A statement ends
    /// with a semicolon at the end of its line.
    pub fn migrated_by(migrations: &'static [(&'static str, &'static str)]) -> Neo4jBuilder {
        Neo4jBuilder { migrations }
    }

    /// Queries rows outside a transaction, each as a `T`: a struct with a field for every column, or the value of the
    /// only column. Read-only.
    ///
    /// # Errors
    /// Fails if the store does not respond or the statement is invalid.
    pub async fn query<T: DeserializeOwned + Send>(&self, query: Query) -> Result<Vec<T>, StoreError> {
        self.call(query, true).await
    }

    /// Queries at most one row, outside a transaction.
    ///
    /// # Errors
    /// As [`Neo4j::query`]; also fails if there are more rows.
    pub async fn query_opt<T: DeserializeOwned + Send>(&self, query: Query) -> Result<Option<T>, StoreError> {
        at_most_one(self.query(query).await?)
    }

    /// Changes nodes and relationships in a transaction of its own; for housekeeping only.
    ///
    /// # Errors
    /// As [`Neo4j::query`].
    pub async fn execute(&self, query: Query) -> Result<(), StoreError> {
        self.write::<BoltMap>(query).await.map(drop)
    }

    /// The number of connections in use, and the maximum.
    pub fn connections(&self) -> (usize, usize) {
        self.lanes.in_use()
    }

    /// Runs a statement that changes data, and returns its rows.
    async fn write<T: DeserializeOwned + Send>(&self, query: Query) -> Result<Vec<T>, StoreError> {
        self.call(query, false).await
    }

    async fn call<T: DeserializeOwned + Send>(&self, query: Query, is_read: bool) -> Result<Vec<T>, StoreError> {
        let asking = Box::pin(async {
            let lane = self.lanes.take().await?;
            let asked = if is_read { lane.graph.execute_read(query).await } else { lane.graph.execute(query).await };
            let mut stream = asked.map_err(store_error)?;
            let mut rows = Vec::new();
            while let Some(row) = stream.next().await.map_err(store_error)? {
                rows.push(row.to().map_err(|error| unreadable::<T>(&error))?);
            }
            drop(stream);
            lane.give_back();
            Ok(rows)
        });
        self.lanes.within(asking).await
    }

    /// Runs a statement that returns the number of its changes.
    async fn count(&self, query: Query) -> Result<u64, StoreError> {
        let counted: Vec<i64> = self.write(query).await?;
        Ok(counted.first().map_or(0, |counted| counted.unsigned_abs()))
    }
}

impl StoreBuilder for Neo4jBuilder {
    type Store = Neo4j;

    fn open(&self, settings: &Settings) -> Result<Neo4j, StoreError> {
        let section: StoreSettings = settings.section("store").map_err(StoreError::broken)?;
        let limit = Duration::from_millis(section.query_timeout_ms);
        Ok(Neo4j {
            lanes: Arc::new(Lanes::new(section.config(limit)?, section.connections, limit)),
            patient: Arc::new(section.config(MIGRATION_LIMIT)?),
            migrations: self.migrations,
            wakeup: Arc::default(),
            relay: Arc::new(Relay::new()),
        })
    }
}

impl Store for Neo4j {
    type Tx = Tx;

    const EXPIRING: &'static [&'static str] = &["inbox", "sagas", "schedule runs"];

    async fn begin(&self, service: &Arc<ServiceContext>, inbox_ids: &[Uuid]) -> Result<Tx, StoreError> {
        Tx::begin(&self.lanes, &self.wakeup, service, inbox_ids).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.lanes.ping().await
    }

    async fn migrate(&self) -> Result<(), StoreError> {
        migrations::migrate(&self.patient, self.migrations).await
    }

    async fn failures_of(&self, message: Uuid) -> Result<u32, StoreError> {
        let asked = query("MATCH (kept:SetAside {id: $id}) RETURN kept.attempts AS attempts");
        Ok(self.query_opt(asked.param("id", message.to_string())).await?.unwrap_or(0))
    }

    async fn set_aside(&self, message: &SetAside) -> Result<(), StoreError> {
        self.execute(set_aside::keep(message)?).await
    }

    async fn forget_waiting(&self, message: Uuid) -> Result<(), StoreError> {
        self.execute(query(set_aside::FORGET).param("id", message.to_string())).await
    }

    async fn due(
        &self,
        queue: &str,
        lines: &CursorsToCheck,
        except: &[String],
        limit: i64,
    ) -> Result<Vec<Uuid>, StoreError> {
        self.query(set_aside::due(queue, lines, except, limit)).await
    }

    async fn list_set_aside(&self, filter: &Filter, limit: i64) -> Result<Vec<SetAside>, StoreError> {
        let rows: Vec<Kept> = self.query(set_aside::list(filter, limit)).await?;
        rows.into_iter().map(SetAside::try_from).collect()
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        let counted: Option<Counted> = self.query_opt(query(COUNT)).await?;
        let counted = counted.ok_or_else(|| StoreError::broken("the count returned no row"))?;
        Ok(Counts {
            outbox: counted.outbox,
            outbox_age_seconds: counted.age.max(0.0),
            waiting: counted.waiting,
            behind: counted.behind,
            parked: counted.parked,
        })
    }

    async fn may_clean_up(&self, holder: &str, lasts: Duration) -> Result<bool, StoreError> {
        Ok(self.claim(CLEAN_UP_LEASE, holder, lasts).await?.is_some())
    }

    async fn clean_up(&self, kind: &str, limit: i64) -> Result<u64, StoreError> {
        let known = EXPIRING.iter().find(|(name, _)| *name == kind);
        let (_, statement) =
            known.ok_or_else(|| StoreError::broken(format!("unknown kind of expiring entries: {kind}")))?;
        self.count(query(statement).param("limit", limit)).await
    }
}

#[derive(Deserialize)]
struct Counted {
    outbox: i64,
    waiting: i64,
    behind: i64,
    parked: i64,
    age: f64,
}

/// A map with these keys, such as a row of a list that a statement unwinds.
pub fn record<const N: usize>(fields: [(&str, BoltType); N]) -> BoltType {
    BoltType::Map(fields.into_iter().map(|(name, value)| (name.into(), value)).collect())
}

fn at_most_one<T>(mut rows: Vec<T>) -> Result<Option<T>, StoreError> {
    if rows.len() > 1 {
        return Err(StoreError::broken(format!("expected at most one row, found {}", rows.len())));
    }
    Ok(rows.pop())
}
