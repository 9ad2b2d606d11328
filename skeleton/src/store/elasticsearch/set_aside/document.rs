//! The document of a message.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    failure::StoreError,
    store::{SetAside, State},
};

#[derive(Serialize, Deserialize)]
pub(super) struct Document {
    message: Uuid,
    queue: String,
    name: String,
    subject: Option<String>,
    headers: BTreeMap<String, String>,
    body: String,
    state: State,
    attempts: u32,
    due_at: DateTime<Utc>,
    reason: String,
    #[serde(default)]
    stack: Option<String>,
    first_failed_at: DateTime<Utc>,
    last_failed_at: DateTime<Utc>,
}

pub(super) fn read(source: &Value) -> Result<SetAside, StoreError> {
    let document: Document = serde_json::from_value(source.clone()).map_err(StoreError::broken)?;
    document.try_into()
}

impl From<&SetAside> for Document {
    fn from(kept: &SetAside) -> Self {
        let kept = kept.clone();
        Self {
            message: kept.message,
            queue: kept.queue,
            name: kept.name,
            subject: kept.subject,
            headers: kept.headers,
            body: STANDARD.encode(&kept.body),
            state: kept.state,
            attempts: kept.attempts,
            due_at: kept.due_at,
            reason: kept.reason,
            stack: kept.stack,
            first_failed_at: kept.first_failed_at,
            last_failed_at: kept.last_failed_at,
        }
    }
}

impl TryFrom<Document> for SetAside {
    type Error = StoreError;

    fn try_from(kept: Document) -> Result<Self, StoreError> {
        Ok(Self {
            message: kept.message,
            queue: kept.queue,
            name: kept.name,
            subject: kept.subject,
            headers: kept.headers,
            body: STANDARD.decode(&kept.body).map_err(StoreError::broken)?,
            state: kept.state,
            attempts: kept.attempts,
            due_at: kept.due_at,
            reason: kept.reason,
            stack: kept.stack,
            first_failed_at: kept.first_failed_at,
            last_failed_at: kept.last_failed_at,
            place: None,
        })
    }
}
