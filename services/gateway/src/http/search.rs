//! Search in the caller's people, companies and notes.

use search_events::Search;
use skeleton::{
    Problem,
    http::{Json, Routes, group, reply},
};
use warp::Filter;

use super::{
    Api,
    query::{Query, query},
};
use crate::{
    caller::Caller,
    views::{FoundView, PageView},
};

/// The most results that the search service returns.
const MOST: u32 = 50;

pub fn routes(api: &Api) -> Routes {
    let search = warp::path!("api" / "v1" / "search");
    group(search.and(warp::get()).and(api.caller()).and(query()).then(find).map(reply))
}

/// `GET /api/v1/search` - the matches for a text, best first.
async fn find(caller: Caller, query: Query) -> Result<Json<PageView<FoundView>>, Problem> {
    let text = query.needed("q")?.to_owned();
    let kind = query.word("kind", "person, company, note")?;
    let limit = query.limit()?.map(|limit| limit.min(MOST));
    let results = caller.call(&Search { account_id: caller.account_id, text, kind, limit }).await?;
    Ok(Json(results.into()))
}
