//! Queries about distances and paths.

use serde::Deserialize;
use skeleton::{
    Neo4j, StoreError,
    store::neo4j::{BoltType, query, record},
};
use uuid::Uuid;

use super::texts;
use crate::domain::{Acquaintance, Reached, Route, Wanted};

/// The member who sends a request.
#[derive(Debug, Deserialize)]
pub struct Seeker {
    /// The person the member is.
    pub person_id: Uuid,
    /// Their display name.
    pub name: String,
}

/// The member of an account.
pub async fn seeker(store: &Neo4j, account: Uuid) -> Result<Option<Seeker>, StoreError> {
    let asked = "MATCH (me:Person {account_id: $account}) RETURN me.id AS person_id, me.name AS name";
    store.query_opt(query(asked).param("account", account.to_string())).await
}

/// The number of people at each distance, nearest first, without distances that have no people.
///
/// The planner turns it into one breadth-first search that visits everyone once: keep `min(length(way))` as it is.
pub async fn degrees_of(store: &Neo4j, account: Uuid) -> Result<Vec<(u32, u32)>, StoreError> {
    let asked = "MATCH way = (me:Person {account_id: $account})-[:KNOWS*1..6]-(other)
        WHERE other <> me
        WITH other, min(length(way)) AS degree
        RETURN degree, count(*) AS people ORDER BY degree";
    let found: Vec<Degree> = store.query(query(asked).param("account", account.to_string())).await?;
    Ok(found.into_iter().map(|found| (found.degree, found.people)).collect())
}

#[derive(Deserialize)]
struct Degree {
    degree: u32,
    people: u32,
}

/// The person a member searches for, whether or not that is allowed.
pub async fn sought(store: &Neo4j, account: Uuid, wanted: Wanted) -> Result<Option<Acquaintance>, StoreError> {
    let (asked, wanted) = match wanted {
        Wanted::Id(id) => (SOUGHT_BY_ID, id.to_string()),
        Wanted::Email(key) => (SOUGHT_BY_EMAIL, key.to_string()),
        Wanted::Nobody => return Ok(None),
    };
    let asked = query(&format!("{asked} {AS_KNOWN}")).param("account", account.to_string()).param("wanted", wanted);
    let found: Option<Known> = store.query_opt(asked).await?;
    Ok(found.map(Acquaintance::from))
}

/// The end of a statement about a `person` and the searching member's `contact` for them: a row as [`Known`] reads it.
const AS_KNOWN: &str =
    "RETURN person.id AS person_id, person.name AS name, coalesce(person.discoverable, false) AS discoverable,
    coalesce(person.nameable, false) AS nameable, contact.id AS contact_id, contact.name AS contact_name";

/// Each is one statement for any target, so that the response time reveals nothing either.
const SOUGHT_BY_ID: &str = "OPTIONAL MATCH (mine:Contact {id: $wanted, owner_id: $account})-[:IS]->(listed:Person)
    OPTIONAL MATCH (anyone:Person {id: $wanted})
    WITH coalesce(listed, anyone) AS person, mine WHERE person IS NOT NULL
    OPTIONAL MATCH (person)<-[:IS]-(other:Contact {owner_id: $account})
    WITH person, coalesce(mine, other) AS contact ORDER BY contact.id LIMIT 1";

const SOUGHT_BY_EMAIL: &str = "OPTIONAL MATCH (identifier:Identifier {key: $wanted})
    OPTIONAL MATCH (identifier)<-[:GIVES]-(contact:Contact {owner_id: $account})-[:IS]->(listed:Person)
    OPTIONAL MATCH (identifier)-[:OF]->(anyone:Person)
    WITH coalesce(listed, anyone) AS person, contact WHERE person IS NOT NULL
    WITH person, contact ORDER BY contact.id LIMIT 1";

/// People as a member knows them.
pub async fn acquaintances(store: &Neo4j, account: Uuid, people: &[Uuid]) -> Result<Vec<Acquaintance>, StoreError> {
    let asked = "UNWIND $people AS id
        MATCH (person:Person {id: id})
        OPTIONAL MATCH (person)<-[:IS]-(contact:Contact {owner_id: $account})
        WITH person, contact ORDER BY contact.id
        WITH person, head(collect(contact)) AS contact";
    let asked =
        query(&format!("{asked} {AS_KNOWN}")).param("account", account.to_string()).param("people", texts(people));
    let found: Vec<Known> = store.query(asked).await?;
    Ok(found.into_iter().map(Acquaintance::from).collect())
}

#[derive(Deserialize)]
struct Known {
    person_id: Uuid,
    name: Option<String>,
    discoverable: bool,
    nameable: bool,
    contact_id: Option<Uuid>,
    contact_name: Option<String>,
}

impl From<Known> for Acquaintance {
    fn from(known: Known) -> Self {
        Self {
            person_id: known.person_id,
            contact: known.contact_id.zip(known.contact_name),
            name: known.name,
            discoverable: known.discoverable,
            nameable: known.nameable,
        }
    }
}

/// A path with the fewest steps, at most six.
pub async fn shortest_path(store: &Neo4j, from: Uuid, to: Uuid) -> Result<Option<Route>, StoreError> {
    let asked = "MATCH (from:Person {id: $from}), (to:Person {id: $to})
        MATCH way = shortestPath((from)-[:KNOWS*..6]-(to))
        RETURN [person IN nodes(way) | person.id] AS people,
            reduce(product = 1.0, tie IN relationships(way) | product * tie.strength) AS strength";
    let asked = query(asked).param("from", from.to_string()).param("to", to.to_string());
    let found: Option<Way> = store.query_opt(asked).await?;
    Ok(found.map(|way| Route { people: way.people, strength: way.strength }))
}

#[derive(Deserialize)]
struct Way {
    people: Vec<Uuid>,
    strength: f64,
}

/// The people that one more step reaches with a product above a floor, each with the best path there.
pub async fn reach(store: &Neo4j, frontier: &[(Uuid, f64)], floor: f64) -> Result<Vec<Reached>, StoreError> {
    let asked = "UNWIND $frontier AS start
        MATCH (:Person {id: start.id})-[tie:KNOWS]-(person:Person)
        WITH person, max([start.product * tie.strength, start.id]) AS best
        WHERE best[0] > $floor
        RETURN person.id AS person, best[0] AS product, best[1] AS via";
    let row = |(id, product): &(Uuid, f64)| record([("id", id.to_string().into()), ("product", (*product).into())]);
    let frontier: BoltType = frontier.iter().map(row).collect();
    let found: Vec<Step> = store.query(query(asked).param("frontier", frontier).param("floor", floor)).await?;
    Ok(found.into_iter().map(|step| Reached { person: step.person, product: step.product, via: step.via }).collect())
}

#[derive(Deserialize)]
struct Step {
    person: Uuid,
    product: f64,
    via: Uuid,
}
