//! The document of a message.

use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    failure::StoreError,
    store::{SetAside, State, kept_headers},
};

#[derive(Serialize, Deserialize)]
pub(super) struct Document {
    message: Uuid,
    queue: String,
    name: String,
    subject: Option<String>,
    headers: Value,
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
    Ok(document.into())
}

impl From<&SetAside> for Document {
    fn from(kept: &SetAside) -> Self {
        let kept = kept.clone();
        Self {
            message: kept.message,
            queue: kept.queue,
            name: kept.name,
            subject: kept.subject,
            headers: json!(kept.headers),
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

impl From<Document> for SetAside {
    fn from(kept: Document) -> Self {
        Self {
            message: kept.message,
            queue: kept.queue,
            name: kept.name,
            subject: kept.subject,
            headers: kept_headers(&kept.headers.to_string()),
            // What is not base64 stays as it is: the attempt parks it.
            body: STANDARD.decode(&kept.body).unwrap_or_else(|_| kept.body.into_bytes()),
            state: kept.state,
            attempts: kept.attempts,
            due_at: kept.due_at,
            reason: kept.reason,
            stack: kept.stack,
            first_failed_at: kept.first_failed_at,
            last_failed_at: kept.last_failed_at,
            place: None,
        }
    }
}
