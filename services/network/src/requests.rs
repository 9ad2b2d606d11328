//! The requests that other services send to network.

use std::collections::HashMap;

use network_events::{Degree, DegreesView, FindPaths, GetDegrees, Path, PathPerson, PathsView};
use skeleton::{HandlerResult, Neo4j, Problem, ReadContext, RequestHandlers, StoreError};
use uuid::Uuid;

use crate::{
    domain::{BestPath, Pepper, Route, STEPS, Shown, Wanted, show, steps},
    store,
};

/// The requests that network handles.
pub fn answers() -> RequestHandlers<Neo4j> {
    RequestHandlers::new().read(get_degrees).read(find_paths)
}

/// Handles `get-degrees`: the number of people at each distance from a member.
async fn get_degrees(asked: GetDegrees, store: ReadContext<Neo4j>) -> HandlerResult<DegreesView> {
    let counted: HashMap<u32, u32> = store::degrees_of(&store, asked.account_id).await?.into_iter().collect();
    let people = |degree| counted.get(&degree).copied().unwrap_or(0);
    Ok(DegreesView { degrees: (1..=STEPS).map(|degree| Degree { degree, people: people(degree) }).collect() })
}

/// Handles `find-paths`: the shortest and the best path from a member to a person.
async fn find_paths(asked: FindPaths, store: ReadContext<Neo4j>) -> HandlerResult<PathsView> {
    let max = steps(asked.max)?;
    let wanted = Wanted::read(&asked.to, &store.resource::<Pepper>());
    let me = store::seeker(&store, asked.account_id).await?;
    let me = me.ok_or_else(|| Problem::unavailable("the account is being set up: try again in a moment"))?;
    let sought = store::sought(&store, asked.account_id, wanted).await?;
    let target = sought.and_then(|sought| sought.as_target(wanted)).ok_or_else(unknown_person)?;
    if target.person_id() == me.person_id {
        return Err(Problem::new(400, "own-person", "this is you: search for someone else").into());
    }
    let shortest = store::shortest_path(&store, me.person_id, target.person_id()).await?;
    let shortest = shortest.filter(|path| path.length() <= max).ok_or_else(|| no_path(max))?;
    let best = best_path(&store, shortest.clone(), max).await?;

    let people: Vec<Uuid> = shortest.people.iter().chain(&best.people).copied().collect();
    let known = store::acquaintances(&store, asked.account_id, &people).await?;
    let mut made_up = HashMap::new();
    let mut view = |route: &Route| {
        let made_up = |person| *made_up.entry(person).or_insert_with(Uuid::new_v4);
        let people = show(route, &me.name, &target, &known, made_up);
        Path {
            length: route.length(),
            strength: route.strength,
            people: people.into_iter().map(PathPerson::from).collect(),
        }
    };
    Ok(PathsView { shortest: view(&shortest), best: view(&best) })
}

async fn best_path(store: &Neo4j, shortest: Route, max: u32) -> Result<Route, StoreError> {
    let Some(mut search) = BestPath::better_than(shortest.clone()) else { return Ok(shortest) };
    for _ in 0..max {
        let frontier = search.frontier();
        if frontier.is_empty() {
            break;
        }
        let reached = store::reach(store, &frontier, search.floor()).await?;
        search.step(reached);
    }
    Ok(search.into_best())
}

/// The same for everyone who may not be searched for, so that it does not reveal who is a member.
fn unknown_person() -> Problem {
    Problem::new(404, "unknown-person", "no contact of yours and no discoverable member matches this")
}

fn no_path(max: u32) -> Problem {
    Problem::new(404, "no-path", format!("no path leads there within {max} steps"))
}

impl From<Shown> for PathPerson {
    fn from(shown: Shown) -> Self {
        Self { person_id: shown.person_id, name: shown.name, me: shown.me, contact_id: shown.contact_id }
    }
}
