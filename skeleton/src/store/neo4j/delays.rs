//! Delayed jobs in Neo4j. One replica moves jobs at a time, so that their order is kept. A transaction that waits for a
//! job that is being cancelled or moved fails when the node is gone: it is rolled back and retried.

use std::time::Duration;

use chrono::{DateTime, Utc};
use neo4rs::query;
use serde::Deserialize;
use uuid::Uuid;

use super::{Neo4j, Tx};
use crate::{
    failure::StoreError,
    store::{
        Delay, Delays, PendingMessage,
        outbox::{read_envelope, tell_unreadable},
    },
};

const KEEP: &str = "CREATE (:Delayed {
        id: $id, due_at: $due_at, written_at: datetime.realtime(), exchange: $exchange, routing_key: $routing_key,
        envelope: $envelope, body: $body
    })";

const CANCEL: &str = "OPTIONAL MATCH (delayed:Delayed {id: $id})
    SET delayed.is_taken = true
    DELETE delayed
    RETURN count(delayed) AS cancelled";

const TAKE: &str = "MATCH (counter:Counter {name: 'delays'})
    SET counter.is_taken = true
    WITH counter
    MATCH (delayed:Delayed) WHERE delayed.due_at <= datetime.realtime()
    WITH delayed ORDER BY delayed.due_at, delayed.written_at LIMIT $limit
    SET delayed.is_taken = true
    WITH delayed, properties(delayed) AS taken
    DELETE delayed
    RETURN taken.id AS id, toString(taken.due_at) AS due_at, taken.exchange AS exchange,
        taken.routing_key AS routing_key, taken.envelope AS envelope, taken.body AS body
    ORDER BY taken.due_at, taken.written_at";

const SET_ASIDE: &str = "CREATE (:Unreadable {
        origin: 'delayed', id: $id, due_at: datetime($due_at), exchange: $exchange, routing_key: $routing_key,
        envelope: $envelope, body: $body, reason: $reason, found_at: datetime()
    })";

const UNTIL_DUE: &str = "MATCH (delayed:Delayed) WHERE delayed.due_at IS NOT NULL
    WITH delayed.due_at AS next ORDER BY next LIMIT 1
    RETURN next.epochMillis - datetime.realtime().epochMillis AS millis";

/// A node that was taken out. A missing property makes this node unreadable, not the whole window.
#[derive(Deserialize)]
struct Taken {
    id: Option<String>,
    due_at: String,
    exchange: Option<String>,
    routing_key: Option<String>,
    envelope: Option<String>,
    body: Option<String>,
}

impl Taken {
    fn message(&self) -> Result<PendingMessage, String> {
        let property =
            |name: &str, value: &Option<String>| value.clone().ok_or_else(|| format!("the property {name} is missing"));
        Ok(PendingMessage {
            exchange: property("exchange", &self.exchange)?,
            routing_key: property("routing_key", &self.routing_key)?,
            envelope: read_envelope(&property("envelope", &self.envelope)?)?,
            body: property("body", &self.body)?,
        })
    }
}

impl Delay for Tx {
    async fn cancel(&mut self, message: Uuid) -> Result<bool, StoreError> {
        let cancelled: i64 = self.query_one(query(CANCEL).param("id", message.to_string())).await?;
        Ok(cancelled > 0)
    }

    async fn keep_until(&mut self, due: DateTime<Utc>, message: &PendingMessage) -> Result<(), StoreError> {
        let envelope = serde_json::to_string(&message.envelope).map_err(StoreError::broken)?;
        let kept = query(KEEP)
            .param("id", message.envelope.id.to_string())
            .param("due_at", due)
            .param("exchange", message.exchange.as_str())
            .param("routing_key", message.routing_key.as_str())
            .param("envelope", envelope)
            .param("body", message.body.as_str());
        self.execute(kept).await
    }

    async fn take_due(&mut self, limit: i64) -> Result<Vec<PendingMessage>, StoreError> {
        let taken: Vec<Taken> = self.query(query(TAKE).param("limit", limit)).await?;
        let mut due = Vec::with_capacity(taken.len());
        for taken in taken {
            match taken.message() {
                Ok(message) => due.push(message),
                Err(reason) => set_aside(self, taken, &reason).await?,
            }
        }
        Ok(due)
    }
}

impl Delays for Neo4j {
    async fn until_due(&self) -> Result<Option<Duration>, StoreError> {
        let millis: Option<i64> = self.query_opt(query(UNTIL_DUE)).await?;
        Ok(millis.map(|millis| Duration::from_millis(millis.max(0).unsigned_abs())))
    }

    async fn delayed(&self) -> Result<i64, StoreError> {
        let counted = self.query_opt(query("RETURN COUNT { (:Delayed) } AS delayed")).await?;
        Ok(counted.unwrap_or(0))
    }
}

/// Sets an unreadable job aside unchanged.
async fn set_aside(tx: &mut Tx, taken: Taken, reason: &str) -> Result<(), StoreError> {
    tell_unreadable("delayed", taken.id.as_deref().unwrap_or("(no id)"), reason);
    let kept = query(SET_ASIDE)
        .param("id", taken.id)
        .param("due_at", taken.due_at)
        .param("exchange", taken.exchange)
        .param("routing_key", taken.routing_key)
        .param("envelope", taken.envelope)
        .param("body", taken.body)
        .param("reason", reason);
    tx.execute(kept).await
}
