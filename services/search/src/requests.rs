//! What search answers.

use events::search::{Found, Search, SearchResults};
use skeleton::{Answered, Answers, Elasticsearch, Reading};

use crate::{
    domain::{self, Kind, Query},
    store,
};

/// Every request that search answers.
pub fn answers() -> Answers<Elasticsearch> {
    Answers::new().read(search)
}

/// Answers `search`: what of one's own fits what was typed, best first.
pub async fn search(asked: Search, store: Reading<Elasticsearch>) -> Answered<SearchResults> {
    let limit = domain::limit(asked.limit)?;
    let Some(query) = Query::parse(&asked.text)? else { return Ok(SearchResults { items: Vec::new() }) };
    let kinds = asked.kind.map_or_else(|| Kind::ALL.to_vec(), |kind| vec![kind.into()]);
    let found = store::find(&store, asked.account_id, &query, &kinds, limit).await?;
    Ok(SearchResults { items: domain::best_of(found, limit).into_iter().map(Found::from).collect() })
}
