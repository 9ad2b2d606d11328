//! The queries and repairs of a rebuild.
//!
//! Ties are locked first and counted after that. A transaction that has changed a contact but not yet its tie waits for
//! the lock, and then adds to a count that did not include it.

use serde::Deserialize;
use skeleton::{
    Neo4j, StoreError,
    rebuild::Slice,
    store::neo4j::{Query, Tx, query},
};
use uuid::Uuid;

use super::contacts::with_strengths;

#[derive(Deserialize)]
struct State {
    id: Uuid,
    sequence: i64,
}

/// The members of a slice, each with the sequence of the newest event that was handled.
pub async fn members_within(store: &Neo4j, slice: &Slice) -> Result<Vec<(Uuid, i64)>, StoreError> {
    let asked = "MATCH (person:Person) WHERE $first <= person.account_id <= $last
        RETURN person.account_id AS id, coalesce(person.sequence, 0) AS sequence";
    states(store, asked, slice).await
}

/// The same for contacts; removed contacts are not counted.
pub async fn contacts_within(store: &Neo4j, slice: &Slice) -> Result<Vec<(Uuid, i64)>, StoreError> {
    let asked = "MATCH (contact:Contact) WHERE $first <= contact.id <= $last AND contact.owner_id IS NOT NULL
        RETURN contact.id AS id, coalesce(contact.sequence, 0) AS sequence";
    states(store, asked, slice).await
}

async fn states(store: &Neo4j, asked: &str, slice: &Slice) -> Result<Vec<(Uuid, i64)>, StoreError> {
    let found: Vec<State> = store.query(within(asked, slice)).await?;
    Ok(found.into_iter().map(|State { id, sequence }| (id, sequence)).collect())
}

/// Whether a contact is damaged: it does not have exactly one owner and one person.
pub async fn is_damaged(tx: &mut Tx, contact: Uuid, owner: Uuid) -> Result<bool, StoreError> {
    let asked = "MATCH (contact:Contact {id: $contact}) WHERE contact.owner_id IS NOT NULL
        SET contact.is_taken = true
        WITH contact
        WHERE contact.owner_id <> $owner OR COUNT { (contact)-[:IS]->() } <> 1
            OR COUNT { (contact)<-[:LISTS]-() } <> 1
            OR COUNT { (contact)<-[:LISTS]-(:Person {account_id: $owner}) } <> 1
        RETURN count(contact) AS damaged";
    let asked = query(asked).param("contact", contact.to_string()).param("owner", owner.to_string());
    let damaged: i64 = tx.query_one(asked).await?;
    Ok(damaged > 0)
}

/// Corrects the ties that begin at the people of a slice, from the address books.
pub async fn mend_ties(tx: &mut Tx, slice: &Slice) -> Result<(), StoreError> {
    // A non-member has no address book, no one has a tie with themselves, and any two people have at most one.
    let surplus = "MATCH (one:Person)-[tie:KNOWS]-(other:Person) WHERE $first <= one.id <= $last
        WITH one, other, collect(DISTINCT tie) AS ties
        UNWIND CASE WHEN one = other THEN ties ELSE ties[1..] END AS surplus
        DELETE surplus";
    tx.execute(within(surplus, slice)).await?;
    let missing = "MATCH (owner:Person)-[:LISTS]->(:Contact)-[:IS]->(person:Person)
        WHERE $first <= owner.id <= $last AND owner <> person AND NOT EXISTS { (owner)-[:KNOWS]-(person) }
        WITH DISTINCT owner, person
        MERGE (owner)-[tie:KNOWS]-(person) ON CREATE SET tie.forward = 0, tie.backward = 0";
    tx.execute(within(missing, slice)).await?;
    let lock = "MATCH (one:Person)-[tie:KNOWS]->(:Person) WHERE $first <= one.id <= $last SET tie.is_taken = true";
    tx.execute(within(lock, slice)).await?;
    let count = "MATCH (one:Person)-[tie:KNOWS]->(other:Person) WHERE $first <= one.id <= $last
        WITH one, tie, other, COUNT { (one)-[:LISTS]->(:Contact)-[:IS]->(other) } AS forward,
            COUNT { (other)-[:LISTS]->(:Contact)-[:IS]->(one) } AS backward
        SET tie.forward = forward, tie.backward = backward,
            tie.strength = CASE WHEN forward > 0 AND backward > 0 THEN $both_sided ELSE $one_sided END
        FOREACH (unused IN CASE WHEN forward + backward = 0 THEN [tie] ELSE [] END | DELETE unused)";
    let count = with_strengths(count).param("first", slice.first().to_string()).param("last", slice.last().to_string());
    tx.execute(count).await
}

/// Deletes the people of a slice without contacts who are not members, and unused identifiers.
pub async fn forget_unused(tx: &mut Tx, slice: &Slice) -> Result<(), StoreError> {
    let people = "MATCH (person:Person) WHERE $first <= person.id <= $last AND person.account_id IS NULL
        SET person.is_taken = true, person.name = null
        WITH person WHERE NOT EXISTS { (person)<-[:IS]-() }
        DETACH DELETE person";
    tx.execute(within(people, slice)).await?;
    let digits = "MATCH (identifier:Identifier) WHERE identifier.key STARTS WITH $digits
        AND NOT EXISTS { (identifier)<-[:GIVES]-() } AND NOT EXISTS { (identifier)-[:OF]->() }
        DELETE identifier";
    tx.execute(query(digits).param("digits", slice.digits())).await
}

fn within(asked: &str, slice: &Slice) -> Query {
    query(asked).param("first", slice.first().to_string()).param("last", slice.last().to_string())
}
