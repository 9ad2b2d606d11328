//! Neo4j: one transaction holds the inbox node, the handler's changes and the outbox nodes.
//!
//! Every question has a limit of time, and a connection whose transaction has failed or hangs is closed, never used
//! again: a server that stops answering holds nobody up for longer than the limit.

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
use super::{CLEAN_UP_LEASE, Counts, Filter, Leases, LinesToCheck, ServiceContext, SetAside, Store, StoreBuilder};
use crate::{
    config::{Secret, Settings},
    failure::StoreError,
    tls::Tls,
};

/// How many rows come with one answer; more cost another round trip.
const ROWS_AT_ONCE: usize = 1000;

/// How long a statement of a migration may take: an index over many nodes takes its time.
const MIGRATION_LIMIT: Duration = Duration::from_secs(120);

/// What expires, and how at most `$limit` of it is removed. By the server's clock, which has written the times.
const EXPIRING: &[(&str, &str)] =
    &[("inbox", FORGET_RECEIVED), ("sagas", sagas::FORGET), ("schedule runs", schedules::FORGET)];

/// Forgets what was received before the deduplication window: 14 days.
const FORGET_RECEIVED: &str = "MATCH (entry:Inbox) WHERE entry.taken_in_at < datetime() - duration('P14D')
    WITH entry LIMIT $limit DELETE entry RETURN count(*) AS removed";

/// The server knows how many nodes of a label there are. Those in a state are counted up to 10,001.
const COUNT: &str = "OPTIONAL MATCH (oldest:Outbox) WHERE oldest.position > 0
    WITH oldest ORDER BY oldest.position LIMIT 1
    CALL { MATCH (kept:SetAside {state: 'waiting'}) WITH kept LIMIT 10001 RETURN count(*) AS waiting }
    CALL { MATCH (kept:SetAside {state: 'behind'}) WITH kept LIMIT 10001 RETURN count(*) AS behind }
    CALL { MATCH (kept:SetAside {state: 'parked'}) WITH kept LIMIT 10001 RETURN count(*) AS parked }
    RETURN COUNT { (:Outbox) } AS outbox, waiting, behind, parked,
        toFloat(coalesce(datetime().epochMillis - oldest.written_at.epochMillis, 0)) / 1000 AS age";

/// A Neo4j database of a service's own.
#[derive(Clone)]
pub struct Neo4j {
    lanes: Arc<Lanes>,
    patient: Arc<Config>,
    migrations: &'static [(&'static str, &'static str)],
    wakeup: Arc<Notify>,
    relay: Arc<Relay>,
}

/// A Neo4j store that is not open yet.
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
    /// A PEM file with the authorities that have signed the server's certificate, if no public one has.
    #[serde(default)]
    tls_ca_file: Option<std::path::PathBuf>,
    /// Whether the server may be reached in plain text although it is on another machine.
    #[serde(default)]
    allow_plaintext: bool,
    /// How many connections at most.
    #[serde(default = "sixteen")]
    connections: usize,
    /// How long one question may take, in milliseconds.
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
    /// How to connect; `limit` is how long the server may take for a connection and for each part of an answer.
    fn config(&self, limit: Duration) -> Result<Config, StoreError> {
        let wrong = || StoreError::broken("store.url: write it as bolt://user@host:port, without the password");
        let (scheme, rest) = self.url.split_once("://").ok_or_else(wrong)?;
        let (user, place) = rest.split_once('@').ok_or_else(wrong)?;
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
    /// How to connect, as far as TLS goes. Certificates are always checked, so the schemes that do not are refused.
    fn encrypted(&self, scheme: &str, place: &str) -> Result<ConfigBuilder, StoreError> {
        let tls = Tls::new(self.tls_ca_file.as_deref(), self.allow_plaintext).map_err(StoreError::broken)?;
        let builder = ConfigBuilder::default();
        if scheme.ends_with("+ssc") {
            return Err(StoreError::broken(format!(
                "store.url: {scheme}:// checks no certificate: write {}:// and set store.tls_ca_file",
                scheme.replace("+ssc", "+s")
            )));
        }
        if !scheme.ends_with("+s") {
            let host = reqwest::Url::parse(&format!("{scheme}://{place}"));
            let host = host.as_ref().ok().and_then(reqwest::Url::host_str).unwrap_or_default();
            tls.plaintext_to(host, "bolt+s://user@host:7687").map_err(StoreError::broken)?;
            return Ok(builder);
        }
        // Without a file, the driver asks the operating system which authorities it trusts.
        Ok(match tls.ca_file() {
            Some(file) => builder.with_client_certificate(file),
            None => builder,
        })
    }
}

impl Neo4j {
    /// A store whose structure these migrations make: name (`V1__people`) and Cypher, in order. A statement ends with
    /// a semicolon at the end of its line.
    pub fn migrated_by(migrations: &'static [(&'static str, &'static str)]) -> Neo4jBuilder {
        Neo4jBuilder { migrations }
    }

    /// Asks for rows outside of a transaction, each as a `T`: a struct with a field for every column, or the value of
    /// the only column. Changes nothing.
    ///
    /// # Errors
    /// Where the store does not answer or the statement is wrong.
    pub async fn query<T: DeserializeOwned + Send>(&self, query: Query) -> Result<Vec<T>, StoreError> {
        self.call(query, true).await
    }

    /// Asks for one row or none, outside of a transaction.
    ///
    /// # Errors
    /// As [`Neo4j::query`]; also where there are more rows.
    pub async fn query_opt<T: DeserializeOwned + Send>(&self, query: Query) -> Result<Option<T>, StoreError> {
        at_most_one(self.query(query).await?)
    }

    /// Changes nodes and relationships, as a transaction of its own; for housekeeping only.
    ///
    /// # Errors
    /// As [`Neo4j::query`].
    pub async fn execute(&self, query: Query) -> Result<(), StoreError> {
        self.write::<BoltMap>(query).await.map(drop)
    }

    /// How many connections are in use and may be at most.
    pub fn connections(&self) -> (usize, usize) {
        self.lanes.in_use()
    }

    /// Changes something and asks what came of it.
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

    /// Changes something and counts it: the statement returns one number.
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
        lines: &LinesToCheck,
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
        let counted = counted.ok_or_else(|| StoreError::broken("counting gave no row"))?;
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
        let (_, statement) = known.ok_or_else(|| StoreError::broken(format!("nothing called {kind} expires")))?;
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

/// A map with these keys: a row of a list that a statement unwinds, for instance.
pub fn record<const N: usize>(fields: [(&str, BoltType); N]) -> BoltType {
    BoltType::Map(fields.into_iter().map(|(name, value)| (name.into(), value)).collect())
}

fn at_most_one<T>(mut rows: Vec<T>) -> Result<Option<T>, StoreError> {
    if rows.len() > 1 {
        return Err(StoreError::broken(format!("one row was expected, there are {}", rows.len())));
    }
    Ok(rows.pop())
}
