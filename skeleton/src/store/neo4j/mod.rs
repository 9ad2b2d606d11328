//! Neo4j: one transaction holds the inbox node, the handler's changes and the outbox nodes.
//!
//! Every query has a time limit. A connection whose transaction has failed or hangs is closed and never reused: if the
//! server stops responding, no caller waits longer than the limit.

mod bookmarks;
mod counts;
mod decisions;
mod delays;
mod error;
mod jobs;
mod lanes;
mod leases;
mod migrations;
mod outbox;
mod pieces;
mod running;
mod sagas;
mod schedules;
mod set_aside;
mod settings;
mod store;
mod tx;

use std::{sync::Arc, time::Duration};

use neo4rs::Config;
use tokio::sync::Notify;

pub use neo4rs::{BoltType, Query, query};
pub use tx::Tx;

use self::{lanes::Lanes, outbox::Relay, settings::StoreSettings};
use super::{StoreBuilder, migrated::Migrated, target::Target};
use crate::config::{Settings, SettingsError};

/// The time limit of a migration statement, if the server does not respond: creating a constraint over many nodes takes
/// time. The server's own limit is shorter (`db.transaction.timeout`).
const MIGRATION_LIMIT: Duration = Duration::from_secs(600);

/// Added to the time limit of a query for the client library's own limit, which does not tell a slow query from a server
/// that does not respond.
const MARGIN: Duration = Duration::from_secs(1);

/// A service's own Neo4j database.
#[derive(Clone)]
pub struct Neo4j {
    lanes: Arc<Lanes>,
    patient: Arc<Config>,
    migrations: &'static [(&'static str, &'static str)],
    wakeup: Arc<Notify>,
    relay: Arc<Relay>,
    migrated: Migrated,
}

/// Opens a Neo4j store.
pub struct Neo4jBuilder {
    migrations: &'static [(&'static str, &'static str)],
}

impl Neo4j {
    /// A store whose schema is created by these migrations: name (`V1__people`) and Cypher, in order. A statement ends
    /// with a semicolon at the end of its line.
    pub fn migrated_by(migrations: &'static [(&'static str, &'static str)]) -> Neo4jBuilder {
        Neo4jBuilder { migrations }
    }
}

impl StoreBuilder for Neo4jBuilder {
    type Store = Neo4j;

    fn open(&self, settings: &Settings) -> Result<Neo4j, SettingsError> {
        let section: StoreSettings = settings.section("store")?;
        let config = |limit| section.config(limit).map_err(|error| settings.unusable("store", "url", error));
        let target = Target::new(&section.place(), settings);
        let limit = Duration::from_millis(section.query_timeout_ms);
        Ok(Neo4j {
            lanes: Arc::new(Lanes::new(config(limit + MARGIN)?, target, section.connections, limit)),
            patient: Arc::new(config(MIGRATION_LIMIT)?),
            migrations: self.migrations,
            wakeup: Arc::default(),
            relay: Arc::new(Relay::new()),
            migrated: Migrated::default(),
        })
    }
}

/// A map with these keys, such as a row of a list that a statement unwinds.
pub fn record<const N: usize>(fields: [(&str, BoltType); N]) -> BoltType {
    BoltType::Map(fields.into_iter().map(|(name, value)| (name.into(), value)).collect())
}
