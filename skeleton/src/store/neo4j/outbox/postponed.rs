//! Unroutable messages: postponed until a queue is bound for them.

use std::collections::BTreeMap;

use neo4rs::{BoltType, query};
use serde::Deserialize;

use crate::{
    failure::StoreError,
    store::{
        OutboxRow, Route,
        neo4j::{Neo4j, record},
    },
};

const POSTPONE: &str = "UNWIND $rows AS row MATCH (message:Outbox {position: row.position})
    SET message.postponed_at = datetime(), message.ordering_key = row.key";

const FIRST_POSTPONED: &str = "UNWIND $keys AS key MATCH (message:Outbox {ordering_key: key})
    RETURN key, min(message.position) AS position";

const POSTPONED: &str = "MATCH (message:Outbox) WHERE message.ordering_key IS NOT NULL
    RETURN message.exchange AS exchange, message.routing_key AS routing_key, count(*) AS count";

const READMIT: &str = "MATCH (message:Outbox) WHERE message.ordering_key IS NOT NULL
        AND message.exchange = $exchange AND message.routing_key = $routing_key
    WITH message ORDER BY message.position LIMIT $limit
    REMOVE message.postponed_at, message.ordering_key
    RETURN message.position AS position";

#[derive(Deserialize)]
struct First {
    key: i64,
    position: i64,
}

#[derive(Deserialize)]
struct Counted {
    exchange: String,
    routing_key: String,
    count: i64,
}

impl Neo4j {
    /// Postpones messages.
    pub(super) async fn postpone_rows(&self, rows: &[&OutboxRow]) -> Result<(), StoreError> {
        let row = |row: &&OutboxRow| record([("position", row.position.into()), ("key", row.ordering_key().into())]);
        let rows: Vec<BoltType> = rows.iter().map(row).collect();
        self.execute(query(POSTPONE).param("rows", rows)).await
    }

    /// The first postponed position of each key.
    pub(super) async fn first_postponed_of(&self, keys: &[i64]) -> Result<BTreeMap<i64, i64>, StoreError> {
        let found: Vec<First> = self.query(query(FIRST_POSTPONED).param("keys", keys)).await?;
        Ok(found.into_iter().map(|first| (first.key, first.position)).collect())
    }

    /// Counts the postponed messages of each route.
    pub(super) async fn count_postponed(&self) -> Result<BTreeMap<Route, u64>, StoreError> {
        let counted: Vec<Counted> = self.query(query(POSTPONED)).await?;
        let route = |Counted { exchange, routing_key, count }| (Route { exchange, routing_key }, count.unsigned_abs());
        Ok(counted.into_iter().map(route).collect())
    }

    /// Puts the first postponed messages of a route back. Returns their positions.
    pub(super) async fn readmit_postponed(&self, route: &Route, limit: i64) -> Result<Vec<i64>, StoreError> {
        let readmit = query(READMIT)
            .param("exchange", route.exchange.as_str())
            .param("routing_key", route.routing_key.as_str())
            .param("limit", limit);
        self.write(readmit).await
    }
}
