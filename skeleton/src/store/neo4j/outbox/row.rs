//! A message as it is read from the outbox.

use events::Envelope;
use serde::Deserialize;

use crate::{
    failure::StoreError,
    store::{
        OutboxRow,
        neo4j::Neo4j,
        outbox::{Outbox, read_envelope},
    },
};

/// A node of the outbox. A missing property makes this node unreadable, not the whole window.
#[derive(Deserialize)]
pub(super) struct Message {
    pub position: i64,
    exchange: Option<String>,
    routing_key: Option<String>,
    sequence: Option<i64>,
    envelope: Option<String>,
    body: Option<String>,
}

impl TryFrom<Message> for OutboxRow {
    type Error = String;

    fn try_from(message: Message) -> Result<Self, String> {
        let missing = |property: &str| format!("the property {property} is missing");
        let envelope = read_envelope(&message.envelope.ok_or_else(|| missing("envelope"))?)?;
        Ok(Self {
            position: message.position,
            exchange: message.exchange.ok_or_else(|| missing("exchange"))?,
            routing_key: message.routing_key.ok_or_else(|| missing("routing_key"))?,
            envelope: Envelope { sequence: message.sequence, ..envelope },
            body: message.body.ok_or_else(|| missing("body"))?.into_bytes(),
        })
    }
}

impl Neo4j {
    /// The readable ones among these messages. Unreadable ones are set aside, so that they do not hold up the others.
    pub(super) async fn readable(&self, messages: Vec<Message>) -> Result<Vec<OutboxRow>, StoreError> {
        let mut rows = Vec::with_capacity(messages.len());
        for message in messages {
            let position = message.position;
            match OutboxRow::try_from(message) {
                Ok(row) => rows.push(row),
                Err(reason) => self.set_outbox_row_aside(position, &reason).await?,
            }
        }
        Ok(rows)
    }
}
