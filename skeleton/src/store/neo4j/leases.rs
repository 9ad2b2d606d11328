//! Leases in Neo4j. A fenced transaction holds a lock on the node until it ends.

use std::time::Duration;

use neo4rs::{Query, query};

use super::{Neo4j, Tx};
use crate::{
    failure::StoreError,
    store::leases::{Fenced, Lease, Leases},
};

/// Locks the node before reading its values.
const CLAIM: &str = "MERGE (lease:Lease {name: $name})
        ON CREATE SET lease.holder = '', lease.fence = 0, lease.expires_at = datetime({epochMillis: 0})
    SET lease.is_taken = true
    WITH lease WHERE lease.holder = $holder OR lease.expires_at < datetime()
    WITH lease, coalesce(lease.fence, 0) + CASE lease.holder WHEN $holder THEN 0 ELSE 1 END AS fence
    SET lease.fence = fence, lease.holder = $holder, lease.expires_at = datetime() + duration({milliseconds: $lasts})
    RETURN fence";

const RELEASE: &str = "MATCH (lease:Lease {name: $name})
    SET lease.is_taken = true
    WITH lease WHERE lease.holder = $holder AND lease.fence = $fence
    SET lease.expires_at = datetime({epochMillis: 0})";

const FENCE: &str = "MATCH (lease:Lease {name: $name})
    SET lease.is_taken = true
    WITH lease WHERE lease.holder = $holder AND lease.fence = $fence
    RETURN true AS held";

impl Leases for Neo4j {
    async fn claim(&self, name: &str, holder: &str, lasts: Duration) -> Result<Option<Lease>, StoreError> {
        let lasts = i64::try_from(lasts.as_millis()).unwrap_or(i64::MAX);
        let claim = query(CLAIM).param("name", node_name(name)).param("holder", holder).param("lasts", lasts);
        let fences: Vec<i64> = self.write(claim).await?;
        let lease = |fence: &i64| Lease { name: name.to_owned(), holder: holder.to_owned(), fence: *fence };
        Ok(fences.first().map(lease))
    }

    async fn release(&self, lease: &Lease) -> Result<(), StoreError> {
        self.execute(about(RELEASE, lease)).await
    }
}

impl Fenced for Tx {
    async fn fence(&mut self, lease: &Lease) -> Result<(), StoreError> {
        let held: Option<bool> = self.query_opt(about(FENCE, lease)).await?;
        held.map(drop).ok_or_else(|| lease.lost())
    }
}

/// Prefixes the name: the relay has its own lease node `relay`, and no other may have that name.
fn node_name(name: &str) -> String {
    format!("service {name}")
}

fn about(statement: &str, lease: &Lease) -> Query {
    let Lease { name, holder, fence } = lease;
    query(statement).param("name", node_name(name)).param("holder", holder.as_str()).param("fence", *fence)
}
