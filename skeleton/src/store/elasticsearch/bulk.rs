//! Many writes in one call. Only the writes that the server was too busy for are sent again.

use std::time::Duration;

use metrics::counter;
use serde_json::{Value, json};
use uuid::Uuid;

use super::client::{Body, Client, Refused};
use crate::failure::{StoreError, StoreErrorKind};

/// The delays before refused writes are sent again.
const WAITS: [Duration; 4] =
    [Duration::from_millis(100), Duration::from_millis(200), Duration::from_millis(400), Duration::from_millis(800)];

/// One write.
pub struct Write {
    index: String,
    action: Value,
    document: Option<Value>,
}

impl Write {
    /// Writes a document if this version is newer than the existing one.
    pub fn versioned(index: &str, id: Uuid, version: i64, document: Value) -> Self {
        Self::with_version(index, id, (version, "external"), document)
    }

    /// Writes a document unless the existing one is newer: what an owner says of a version replaces what an event said.
    pub fn restated(index: &str, id: Uuid, version: i64, document: Value) -> Self {
        Self::with_version(index, id, (version, "external_gte"), document)
    }

    fn with_version(index: &str, id: Uuid, (version, version_type): (i64, &str), document: Value) -> Self {
        let action = json!({ "index": { "_index": index, "_id": id, "version": version, "version_type": version_type, "require_alias": true } });
        Self { index: index.to_owned(), action, document: Some(document) }
    }

    /// Writes a document and overwrites an existing one.
    pub fn plain(index: &str, id: Uuid, document: Value) -> Self {
        let action = json!({ "index": { "_index": index, "_id": id, "require_alias": true } });
        Self { index: index.to_owned(), action, document: Some(document) }
    }

    /// Deletes a document, unless it has changed since it was read.
    pub fn removal(index: &str, id: Uuid, seen: &Seen) -> Self {
        let action = json!({ "delete": { "_index": index, "_id": id, "if_seq_no": seen.seq_no, "if_primary_term": seen.primary_term } });
        Self { index: index.to_owned(), action, document: None }
    }

    fn append_to(&self, lines: &mut Vec<u8>) {
        for line in std::iter::once(&self.action).chain(&self.document) {
            lines.extend_from_slice(line.to_string().as_bytes());
            lines.push(b'\n');
        }
    }
}

/// The state of a document when it was read.
#[derive(Clone, Copy)]
pub struct Seen {
    seq_no: i64,
    primary_term: i64,
}

impl Seen {
    /// Reads it from the response that contains the document.
    pub fn in_answer(answer: &Value) -> Self {
        let number = |name: &str| answer[name].as_i64().unwrap_or_default();
        Self { seq_no: number("_seq_no"), primary_term: number("_primary_term") }
    }

    /// The part of a URL that makes a change conditional on this state.
    pub fn as_condition(&self) -> String {
        format!("if_seq_no={}&if_primary_term={}", self.seq_no, self.primary_term)
    }
}

/// Performs these writes. A write that finds a newer version, or nothing to delete, counts as done.
///
/// # Errors
/// Unavailable if the server remains too busy. Broken if it rejects a document: the others are written.
pub async fn send(client: &Client, writes: Vec<Write>) -> Result<(), StoreError> {
    let mut rest = writes;
    let mut waits = WAITS.iter();
    while !rest.is_empty() {
        let (again, refused): (Vec<Write>, Vec<Refused>) = send_once(client, rest).await?.into_iter().unzip();
        let passes = |refused: &Refused| refused.store_error_kind() == StoreErrorKind::Unavailable;
        let Some(worst) = refused.into_iter().min_by_key(passes) else { return Ok(()) };
        let wait = waits.next().filter(|_| passes(&worst));
        let Some(wait) = wait else { return Err(worst.into()) };
        counter!("store_writes_repeated_total").increment(again.len() as u64);
        tokio::time::sleep(*wait).await;
        rest = again;
    }
    Ok(())
}

/// Sends writes and returns the refused ones.
async fn send_once(client: &Client, writes: Vec<Write>) -> Result<Vec<(Write, Refused)>, StoreError> {
    let mut lines = Vec::new();
    for write in &writes {
        write.append_to(&mut lines);
    }
    let answer = client.post("_bulk", Body::Lines(lines)).await?;
    let items = answer["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    if items.len() != writes.len() {
        return Err(StoreError::broken(format!(
            "elasticsearch: {} writes were sent, {} answered",
            writes.len(),
            items.len()
        )));
    }
    let mut refused = Vec::new();
    for (item, write) in items.iter().zip(writes) {
        let outcome = item.as_object().and_then(|item| item.values().next()).unwrap_or(&Value::Null);
        let status = outcome["status"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or(500);
        match status {
            200..=299 => {}
            404 if write.document.is_none() => {}
            409 => counter!("store_stale_writes_total").increment(1),
            _ => {
                let why = Refused::new(status, &outcome["error"], &write.index);
                refused.push((write, why));
            }
        }
    }
    Ok(refused)
}
