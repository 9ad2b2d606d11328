//! Finds messages.

use serde_json::{Value, json};
use uuid::Uuid;

use super::query::{id_of, is_due};
use super::{Waiting, document::read, fits};
use crate::failure::StoreError;
use crate::store::elasticsearch::{bulk::Seen, owners::hits};
use crate::store::{Filter, SetAside};

/// The number of messages read in one call; each may be a few hundred kilobytes.
const PAGE: i64 = 100;

/// The number of ids read in one call.
const PAGE_OF_IDS: i64 = 5000;

impl Waiting<'_> {
    /// Finds a message and the state of its document.
    pub async fn find(&self, message: Uuid) -> Result<Option<(SetAside, Seen)>, StoreError> {
        match self.client.get(&format!("{}/_doc/{message}", self.index)).await {
            Ok(answer) => Ok(Some((read(&answer["_source"])?, Seen::in_answer(&answer)))),
            Err(error) if error.has_status(404) && !error.is("index_not_found_exception") => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Finds a message that is due by the server's clock, and the state of its document.
    pub async fn find_due(&self, message: Uuid) -> Result<Option<(SetAside, Seen)>, StoreError> {
        let mut conditions = is_due();
        conditions.push(json!({ "ids": { "values": [message] } }));
        let asked = json!({ "seq_no_primary_term": true, "query": { "bool": { "filter": conditions } } });
        let answer = self.search(asked).await?;
        let found = hits(&answer).first().map(|hit| Ok((read(&hit["_source"])?, Seen::in_answer(hit))));
        found.transpose()
    }

    /// The messages of a queue that are due, longest overdue first. Leaves out messages whose names are in `except`.
    pub async fn due(&self, queue: &str, except: &[String], limit: i64) -> Result<Vec<Uuid>, StoreError> {
        let mut conditions = is_due();
        conditions.push(json!({ "term": { "queue": queue } }));
        let query = json!({ "bool": { "filter": conditions, "must_not": { "terms": { "name": except } } } });
        let asked = json!({ "size": limit, "_source": false, "sort": "due_at", "query": query });
        let answer = self.search(asked).await?;
        Ok(hits(&answer).iter().filter_map(|hit| hit["_id"].as_str()?.parse().ok()).collect())
    }

    /// The messages that match a filter, oldest first.
    pub async fn list(&self, filter: &Filter, limit: i64) -> Result<Vec<SetAside>, StoreError> {
        self.pages(json!({ "query": fits(filter) }), PAGE, limit, |hit| read(&hit["_source"])).await
    }

    /// Their ids.
    pub async fn ids(&self, filter: &Filter, limit: i64) -> Result<Vec<Uuid>, StoreError> {
        let asked = json!({ "query": fits(filter), "_source": false });
        self.pages(asked, PAGE_OF_IDS, limit, id_of).await
    }

    /// All results of a search, oldest first, read page by page.
    async fn pages<T>(
        &self,
        mut asked: Value,
        at_once: i64,
        limit: i64,
        read: impl Fn(&Value) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut found = Vec::new();
        asked["sort"] = json!(["first_failed_at", "message"]);
        loop {
            let rest = limit - i64::try_from(found.len()).unwrap_or(limit);
            if rest <= 0 {
                return Ok(found);
            }
            asked["size"] = json!(rest.min(at_once));
            let answer = self.search(asked.clone()).await?;
            let page = hits(&answer);
            let Some(last) = page.last() else { return Ok(found) };
            for hit in page {
                found.push(read(hit)?);
            }
            asked["search_after"] = last["sort"].clone();
        }
    }
}
