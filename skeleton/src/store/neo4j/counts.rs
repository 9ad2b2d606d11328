//! Counts the messages in the store.

use neo4rs::query;
use serde::Deserialize;

use super::Neo4j;
use crate::{failure::StoreError, store::Counts};

/// The server keeps the number of nodes of a label. Nodes in a state are counted up to 10,001.
const COUNT: &str = "OPTIONAL MATCH (oldest:Outbox) WHERE oldest.position > 0
    WITH oldest ORDER BY oldest.position LIMIT 1
    CALL { MATCH (kept:SetAside {state: 'waiting'}) WITH kept LIMIT 10001 RETURN count(*) AS waiting }
    CALL { MATCH (kept:SetAside {state: 'behind'}) WITH kept LIMIT 10001 RETURN count(*) AS behind }
    CALL { MATCH (kept:SetAside {state: 'parked'}) WITH kept LIMIT 10001 RETURN count(*) AS parked }
    RETURN COUNT { (:Outbox) } AS outbox, waiting, behind, parked,
        toFloat(coalesce(datetime().epochMillis - oldest.written_at.epochMillis, 0)) / 1000 AS age";

#[derive(Deserialize)]
struct Counted {
    outbox: i64,
    waiting: i64,
    behind: i64,
    parked: i64,
    age: f64,
}

impl Neo4j {
    /// The messages of the outbox and those set aside.
    pub(super) async fn counted(&self) -> Result<Counts, StoreError> {
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
}
