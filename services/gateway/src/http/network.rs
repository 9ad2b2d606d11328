//! Distances between people, and paths of introductions.

use network_events::{FindPaths, GetDegrees};
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
    views::{DegreesView, PathsView},
};

pub fn routes(api: &Api) -> Routes {
    let degrees = warp::path!("api" / "v1" / "network" / "degrees");
    let degrees = degrees.and(warp::get()).and(api.caller()).then(show_degrees).map(reply);
    let paths = warp::path!("api" / "v1" / "network" / "paths");
    let paths = paths.and(warp::get()).and(api.caller()).and(query()).then(find_paths).map(reply);
    group(degrees.or(paths).unify())
}

/// `GET /api/v1/network/degrees` - the number of people at each distance.
async fn show_degrees(caller: Caller) -> Result<Json<DegreesView>, Problem> {
    let degrees = caller.call(&GetDegrees { account_id: caller.account_id }).await?;
    Ok(Json(degrees.into()))
}

/// `GET /api/v1/network/paths` - the shortest and the best path to a person.
async fn find_paths(caller: Caller, query: Query) -> Result<Json<PathsView>, Problem> {
    let (to, max) = (query.needed("to")?.to_owned(), query.number("max", 1..=6)?);
    let paths = caller.call(&FindPaths { account_id: caller.account_id, to, max }).await?;
    Ok(Json(paths.into()))
}
