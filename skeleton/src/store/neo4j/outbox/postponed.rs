//! Unroutable messages: postponed until a queue is bound for them.

use std::collections::{BTreeMap, BTreeSet};

use neo4rs::{BoltType, query};
use serde::Deserialize;

use super::row::Message;
use crate::{
    failure::StoreError,
    store::{
        OutboxRow, Route,
        neo4j::{Neo4j, record},
    },
};

/// Postpones nothing for a relay that has lost its lease: another one may be sending the messages.
const POSTPONE: &str = "MATCH (lease:Lease {name: 'relay'})
    SET lease.is_taken = true
    WITH lease WHERE lease.holder = $holder AND lease.expires_at >= datetime()
    UNWIND $rows AS row
    OPTIONAL MATCH (message:Outbox {position: row.position})
    SET message.postponed_at = datetime(), message.ordering_key = row.key
    RETURN count(*) AS checked";

/// Reads one index entry per key. All jobs of a kind have one key: the smallest position of a group would be found by
/// reading them all.
const FIRST_POSTPONED: &str = "UNWIND $keys AS key
    CALL {
        WITH key MATCH (message:Outbox) USING INDEX message:Outbox(ordering_key, position)
        WHERE message.ordering_key = key AND message.position > 0
        RETURN message.position AS position ORDER BY message.ordering_key, message.position LIMIT 1
    }
    RETURN key, position";

/// The first route after the given one, in the order of its index, and at most 10,001 messages of it.
const POSTPONED: &str = "CALL {
        MATCH (message:Outbox) USING INDEX message:Outbox(exchange, routing_key, position, ordering_key)
        WHERE message.exchange = $exchange AND message.routing_key > $routing_key AND message.position > 0
            AND message.ordering_key IS NOT NULL
        RETURN message.exchange AS exchange, message.routing_key AS routing_key
        ORDER BY message.exchange, message.routing_key LIMIT 1
        UNION ALL
        MATCH (message:Outbox) USING INDEX message:Outbox(exchange, routing_key, position, ordering_key)
        WHERE message.exchange > $exchange AND message.routing_key IS NOT NULL AND message.position IS NOT NULL
            AND message.ordering_key IS NOT NULL
        RETURN message.exchange AS exchange, message.routing_key AS routing_key
        ORDER BY message.exchange, message.routing_key LIMIT 1
    }
    WITH exchange, routing_key ORDER BY exchange, routing_key LIMIT 1
    CALL {
        WITH exchange, routing_key
        MATCH (message:Outbox) USING INDEX message:Outbox(exchange, routing_key, position, ordering_key)
        WHERE message.exchange = exchange AND message.routing_key = routing_key AND message.position > 0
            AND message.ordering_key IS NOT NULL
        WITH message LIMIT 10001 RETURN count(*) AS count
    }
    RETURN exchange, routing_key, count";

const POSTPONED_OF: &str = "MATCH (message:Outbox)
    USING INDEX message:Outbox(exchange, routing_key, position, ordering_key)
    WHERE message.exchange = $exchange AND message.routing_key = $routing_key AND message.position > $after
        AND message.ordering_key IS NOT NULL
    WITH message ORDER BY message.exchange, message.routing_key, message.position LIMIT $limit
    RETURN message.position AS position, message.exchange AS exchange, message.routing_key AS routing_key,
        message.sequence AS sequence, message.envelope AS envelope, message.body AS body
    ORDER BY position";

/// No row if the relay has lost its lease.
const READMIT: &str = "MATCH (lease:Lease {name: 'relay'})
    SET lease.is_taken = true
    WITH lease WHERE lease.holder = $holder AND lease.expires_at >= datetime()
    CALL {
        MATCH (message:Outbox)
        USING INDEX message:Outbox(exchange, routing_key, position, ordering_key)
        WHERE message.exchange = $exchange AND message.routing_key = $routing_key AND message.position > 0
            AND message.ordering_key IS NOT NULL
        WITH message ORDER BY message.exchange, message.routing_key, message.position LIMIT $limit
        REMOVE message.postponed_at, message.ordering_key
        RETURN collect(message.position) AS positions
    }
    RETURN positions";

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
    /// Postpones messages. False if another replica relays.
    pub(super) async fn postpone_rows(&self, rows: &[&OutboxRow]) -> Result<bool, StoreError> {
        let row = |row: &&OutboxRow| record([("position", row.position.into()), ("key", row.ordering_key().into())]);
        let rows: Vec<BoltType> = rows.iter().map(row).collect();
        let postpone = query(POSTPONE).param("holder", self.relay.holder.as_str()).param("rows", rows);
        let checked: Vec<i64> = self.write(postpone).await?;
        Ok(checked.first().is_some_and(|checked| *checked > 0))
    }

    /// The first postponed position of each key.
    pub(super) async fn first_postponed_of(&self, keys: &[i64]) -> Result<BTreeMap<i64, i64>, StoreError> {
        let keys: BTreeSet<i64> = keys.iter().copied().collect();
        let keys: Vec<i64> = keys.into_iter().collect();
        let found: Vec<First> = self.query(query(FIRST_POSTPONED).param("keys", keys)).await?;
        Ok(found.into_iter().map(|first| (first.key, first.position)).collect())
    }

    /// Counts the postponed messages of each route.
    pub(super) async fn count_postponed(&self) -> Result<BTreeMap<Route, u64>, StoreError> {
        let mut counts = BTreeMap::new();
        let mut route = Route { exchange: String::new(), routing_key: String::new() };
        loop {
            let asked = query(POSTPONED)
                .param("exchange", route.exchange.as_str())
                .param("routing_key", route.routing_key.as_str());
            let Some(Counted { exchange, routing_key, count }) = self.query_opt(asked).await? else {
                return Ok(counts);
            };
            route = Route { exchange, routing_key };
            counts.insert(route.clone(), count.unsigned_abs());
        }
    }

    /// The postponed messages of a route after a position.
    pub(super) async fn postponed_rows_of(
        &self,
        route: &Route,
        after: i64,
        limit: i64,
    ) -> Result<Vec<OutboxRow>, StoreError> {
        loop {
            let postponed = query(POSTPONED_OF)
                .param("exchange", route.exchange.as_str())
                .param("routing_key", route.routing_key.as_str())
                .param("after", after)
                .param("limit", limit);
            let found: Vec<Message> = self.query(postponed).await?;
            let count = found.len();
            let rows = self.readable(found).await?;
            // Unreadable ones are set aside now: without them, more fit into the limit.
            if rows.len() == count {
                return Ok(rows);
            }
        }
    }

    /// Puts the first postponed messages of a route back. Returns their positions; `None` if another replica relays.
    pub(super) async fn readmit_postponed(&self, route: &Route, limit: i64) -> Result<Option<Vec<i64>>, StoreError> {
        let readmit = query(READMIT)
            .param("holder", self.relay.holder.as_str())
            .param("exchange", route.exchange.as_str())
            .param("routing_key", route.routing_key.as_str())
            .param("limit", limit);
        let readmitted: Vec<Vec<i64>> = self.write(readmit).await?;
        Ok(readmitted.into_iter().next())
    }
}
