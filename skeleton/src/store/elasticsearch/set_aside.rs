//! Set-aside messages in Elasticsearch, in a separate index.

mod changing;
mod document;
mod finding;
mod query;

use serde_json::{Value, json};

pub(super) use self::query::{fits, parked_among};
use super::client::Client;
use crate::{
    failure::StoreError,
    store::{Counts, State},
};

/// The index's name.
pub const SET_ASIDE: &str = "set-aside";

/// The set-aside messages.
pub struct Waiting<'a> {
    /// The client of the server.
    pub client: &'a Client,
    /// The alias of their index.
    pub index: String,
}

impl Waiting<'_> {
    /// Counts the messages by state.
    pub async fn count(&self) -> Result<Counts, StoreError> {
        let in_state = |state: State| json!({ "filter": { "term": { "state": state } } });
        let groups = json!({ "waiting": in_state(State::Waiting), "parked": in_state(State::Parked) });
        let answer = self.search(json!({ "size": 0, "aggs": groups })).await?;
        let number = |group: &str| answer["aggregations"][group]["doc_count"].as_i64().unwrap_or_default();
        Ok(Counts { waiting: number("waiting"), parked: number("parked"), ..Counts::default() })
    }

    pub(super) async fn search(&self, asked: Value) -> Result<Value, StoreError> {
        self.client.refresh(&self.index).await?;
        Ok(self.client.post(&format!("{}/_search?allow_partial_search_results=false", self.index), asked).await?)
    }
}
