//! The requests that other services send to search.

use search_events::{Found, Search, SearchResults};
use skeleton::{Elasticsearch, HandlerResult, ReadContext, RequestHandlers};

use crate::{
    domain::{self, Kind, Query},
    store,
};

/// The requests that search handles.
pub fn answers() -> RequestHandlers<Elasticsearch> {
    RequestHandlers::new().read(search)
}

/// Handles `search`: what matches in the account's own address book, best first.
pub async fn search(asked: Search, store: ReadContext<Elasticsearch>) -> HandlerResult<SearchResults> {
    let limit = domain::limit(asked.limit)?;
    let Some(query) = Query::parse(&asked.text)? else { return Ok(SearchResults { items: Vec::new() }) };
    let kinds = asked.kind.map_or_else(|| Kind::ALL.to_vec(), |kind| vec![kind.into()]);
    let found = store::find(&store, asked.account_id, &query, &kinds, limit).await?;
    Ok(SearchResults { items: domain::best_of(found, limit).into_iter().map(Found::from).collect() })
}
