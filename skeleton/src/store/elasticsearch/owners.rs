//! Erasing an account: all its documents become tombstones, and none is restored.
//!
//! An event that was sent before the erasure may be handled after it: by another replica at the same moment, or days
//! later as a set-aside message. The order of steps on each side ensures that its document does not remain. An erasure
//! *marks* the account first, and then buries the documents it finds. A writer checks for a mark *after* the write, and
//! buries the document if there is one. Whichever comes first, the other sees it. A crash between the two steps leaves
//! the message unacknowledged, and it is handled again with both steps.
//!
//! To bury a document is to replace it with a tombstone whose version is higher than any event's. A mark contains an
//! account's id and a time, nothing about a person. It is kept permanently: a message may stay parked for longer than
//! tombstones are kept.

use chrono::{DateTime, Utc};
use events::MAX_SEQUENCE;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    bulk::{self, Write},
    client::Client,
    names::Names,
};
use crate::failure::StoreError;

/// The index of the marks.
pub const ERASED: &str = "erased";

/// Higher than the sequence of any event.
const LAST_VERSION: i64 = 1 << 62;
const _: () = assert!(LAST_VERSION > MAX_SEQUENCE);

/// The number of documents buried in one call.
const PAGE: usize = 1000;

/// How often in turn the same documents may be found again. They are if the alias has moved to a new version of the
/// index, which was filled before they were buried.
const REPEATS: usize = 3;

/// What remains of a document: the fact that it existed, and when it was removed.
pub fn tombstone(buried_at: DateTime<Utc>) -> Value {
    json!({ "deleted": true, "buried_at": buried_at })
}

/// The write that marks an account as erased.
pub fn mark(names: &Names, owner: Uuid, at: DateTime<Utc>) -> Write {
    Write::plain(&names.alias(ERASED), owner, json!({ "owner_id": owner, "erased_at": at }))
}

/// The marked ones among these accounts.
pub async fn erased_of(client: &Client, names: &Names, owners: &[Uuid]) -> Result<Vec<Uuid>, StoreError> {
    let answer = client.post(&format!("{}/_mget?_source=false", names.alias(ERASED)), json!({ "ids": owners })).await?;
    let documents = answer["docs"].as_array().map(Vec::as_slice).unwrap_or_default();
    if documents.len() != owners.len() || documents.iter().any(|document| document["found"].is_null()) {
        return Err(StoreError::unavailable("elasticsearch: failed to read the marks of erased accounts"));
    }
    let is_marked = |document: &&Value| document["found"] == json!(true);
    Ok(documents.iter().filter(is_marked).filter_map(|document| document["_id"].as_str()?.parse().ok()).collect())
}

/// Replaces these documents with tombstones, permanently.
pub async fn bury(
    client: &Client,
    index: &str,
    ids: impl Iterator<Item = Uuid>,
    at: DateTime<Utc>,
) -> Result<(), StoreError> {
    bulk::send(client, ids.map(|id| Write::versioned(index, id, LAST_VERSION, tombstone(at))).collect()).await
}

/// Replaces all documents of these accounts with tombstones. Returns their number.
pub async fn bury_all_of(client: &Client, index: &str, owners: &Value, at: DateTime<Utc>) -> Result<u64, StoreError> {
    let (mut buried, mut last, mut repeats) = (0, Vec::new(), 0);
    let owned = json!({ "bool": { "filter": { "terms": { "owner_id": owners } }, "must_not": { "term": { "deleted": true } } } });
    loop {
        client.refresh(index).await?;
        let asked = json!({ "size": PAGE, "_source": false, "sort": "_doc", "query": owned });
        let answer = client.post(&format!("{index}/_search?allow_partial_search_results=false"), asked).await?;
        let mut ids: Vec<Uuid> = hits(&answer).iter().filter_map(|hit| hit["_id"].as_str()?.parse().ok()).collect();
        if ids.is_empty() {
            return Ok(buried);
        }
        ids.sort_unstable();
        repeats = if ids == last { repeats + 1 } else { 0 };
        if repeats > REPEATS {
            return Err(StoreError::broken(format!("elasticsearch: {} documents of erased accounts stay", ids.len())));
        }
        if repeats == 0 {
            buried += ids.len() as u64;
        }
        bury(client, index, ids.iter().copied(), at).await?;
        last = ids;
    }
}

/// Buries the documents of every marked account.
pub async fn bury_all_erased(client: &Client, names: &Names, index: &str) -> Result<(), StoreError> {
    let marks = names.alias(ERASED);
    client.refresh(&marks).await?;
    let mut asked = json!({ "size": PAGE, "_source": false, "sort": "owner_id" });
    loop {
        let answer = client.post(&format!("{marks}/_search?allow_partial_search_results=false"), asked.clone()).await?;
        let owners: Vec<&Value> = hits(&answer).iter().map(|hit| &hit["_id"]).collect();
        let Some(last) = owners.last() else { return Ok(()) };
        bury_all_of(client, index, &json!(owners), Utc::now()).await?;
        asked["search_after"] = json!([last]);
    }
}

/// The hits of a search response.
pub fn hits(answer: &Value) -> &[Value] {
    answer["hits"]["hits"].as_array().map(Vec::as_slice).unwrap_or_default()
}
