//! Contacts and the ties derived from them.

use serde::Deserialize;
use skeleton::{
    StoreError,
    store::neo4j::{Query, Tx, query, record},
};
use uuid::Uuid;

use super::texts;
use crate::domain::{BOTH_SIDED, Card, Key, KnownPerson, Newness, ONE_SIDED, Owner, Placement, Situation};

/// What is known about a contact, locked until the transaction ends.
pub async fn situation_of(
    tx: &mut Tx,
    contact: Uuid,
    owner: Uuid,
    newness: Newness,
    keys: &[Key],
) -> Result<Situation, StoreError> {
    // All transactions lock identifiers in the same order, to avoid deadlocks. An identifier of a change that does not
    // apply is not left behind.
    let asked = "OPTIONAL MATCH (owner:Person {account_id: $owner}) SET owner.is_taken = true
        WITH CASE WHEN owner.account_id = $owner THEN owner END AS owner
        OPTIONAL MATCH (contact:Contact {id: $contact}) SET contact.is_taken = true
        FOREACH (key IN CASE WHEN owner IS NULL OR contact.sequence >= $sequence THEN [] ELSE $sorted END |
            MERGE (identifier:Identifier {key: key}) SET identifier.is_taken = true)
        WITH owner, contact
        OPTIONAL MATCH (contact)-[:IS]->(linked:Person)
        RETURN owner.id AS owner, EXISTS { (:Account {id: $owner, is_erased: true}) } AS is_erased,
            contact.sequence AS sequence, linked.id AS linked,
            COLLECT {
                UNWIND range(0, size($keys) - 1) AS place
                MATCH (:Identifier {key: $keys[place]})-[:OF]->(person:Person)
                RETURN {place: place, person_id: person.id, member_id: person.account_id}
            } AS known";
    let mut sorted = keys.to_vec();
    sorted.sort_unstable();
    let asked = query(asked)
        .param("owner", owner.to_string())
        .param("contact", contact.to_string())
        .param("sequence", newness.outdone_by())
        .param("keys", texts(keys))
        .param("sorted", texts(&sorted));
    let found: Vec<Found> = tx.query_about(&things(contact, keys), asked).await?;
    let found = found.into_iter().next().ok_or_else(|| StoreError::broken("expected one row, found none"))?;
    Ok(found.into_situation(keys))
}

#[derive(Deserialize)]
struct Found {
    owner: Option<Uuid>,
    is_erased: bool,
    sequence: Option<i64>,
    linked: Option<Uuid>,
    known: Vec<FoundPerson>,
}

#[derive(Deserialize)]
struct FoundPerson {
    place: usize,
    person_id: Uuid,
    member_id: Option<Uuid>,
}

impl Found {
    fn into_situation(self, keys: &[Key]) -> Situation {
        let owner = match self.owner {
            Some(person) => Owner::Member(person),
            None if self.is_erased => Owner::Erased,
            None => Owner::Unknown,
        };
        let known = self.known.into_iter().filter_map(|known| {
            let key = *keys.get(known.place)?;
            Some(KnownPerson { key, person_id: known.person_id, member_id: known.member_id })
        });
        Situation { owner, sequence: self.sequence, linked: self.linked, known: known.collect() }
    }
}

/// Writes a contact with its link, its identifiers and its tie. Independent of the other rows of a batch.
const PUT: &str = "UNWIND $rows AS row
    CALL (row) {
        MATCH (owner:Person {id: row.owner})
        MERGE (contact:Contact {id: row.contact})
        SET contact.owner_id = row.owner_id, contact.name = row.name, contact.sequence = row.sequence
        MERGE (owner)-[:LISTS]->(contact)
        MERGE (person:Person {id: row.person}) ON CREATE SET person.discoverable = false, person.nameable = false
        MERGE (contact)-[:IS]->(person)
        FOREACH (key IN row.keys | MERGE (identifier:Identifier {key: key}) MERGE (contact)-[:GIVES]->(identifier))
        FOREACH (key IN row.known_by | MERGE (identifier:Identifier {key: key}) MERGE (identifier)-[:OF]->(person))
        FOREACH (claims IN CASE WHEN row.is_link AND owner <> person THEN [1] ELSE [] END |
            MERGE (owner)-[tie:KNOWS]-(person) ON CREATE SET tie.forward = 0, tie.backward = 0
            SET tie.is_taken = true
            SET tie.forward = tie.forward + CASE startNode(tie) WHEN owner THEN claims ELSE 0 END,
                tie.backward = tie.backward + CASE startNode(tie) WHEN owner THEN 0 ELSE claims END
            SET tie.strength =
                CASE WHEN tie.forward > 0 AND tie.backward > 0 THEN row.both_sided ELSE row.one_sided END)
    }";

/// Writes a contact, and updates its link, its identifiers and its tie.
pub fn put(tx: &mut Tx, card: &Card, placement: &Placement) {
    let row = record([
        ("owner", placement.owner.to_string().into()),
        ("contact", card.contact_id.to_string().into()),
        ("owner_id", card.owner_id.to_string().into()),
        ("name", card.name.as_str().into()),
        ("sequence", card.newness.sequence.into()),
        ("person", placement.person.to_string().into()),
        ("keys", texts(&card.keys).into()),
        ("known_by", texts(placement.known_by.as_slice()).into()),
        ("is_link", placement.is_link.into()),
        ("one_sided", ONE_SIDED.into()),
        ("both_sided", BOTH_SIDED.into()),
    ]);
    tx.execute_later(things(card.contact_id, &card.keys), PUT, row);
}

/// What a decision about a contact depends on, besides its owner.
fn things(contact: Uuid, keys: &[Key]) -> Vec<String> {
    let mut things = texts(keys);
    things.push(contact.to_string());
    things
}

/// Links contacts to an existing person.
pub(super) async fn link(tx: &mut Tx, contacts: &[Uuid], person: Uuid) -> Result<(), StoreError> {
    let link = "MATCH (person:Person {id: $person})
        UNWIND $contacts AS id
        MATCH (owner:Person)-[:LISTS]->(contact:Contact {id: id})
        CREATE (contact)-[:IS]->(person)
        WITH person, owner, count(*) AS claims WHERE owner <> person
        MERGE (owner)-[tie:KNOWS]-(person) ON CREATE SET tie.forward = 0, tie.backward = 0
        SET tie.is_taken = true
        SET tie.forward = tie.forward + CASE startNode(tie) WHEN owner THEN claims ELSE 0 END,
            tie.backward = tie.backward + CASE startNode(tie) WHEN owner THEN 0 ELSE claims END
        SET tie.strength = CASE WHEN tie.forward > 0 AND tie.backward > 0 THEN $both_sided ELSE $one_sided END";
    tx.execute(with_strengths(link).param("contacts", texts(contacts)).param("person", person.to_string())).await
}

/// Unlinks contacts from their persons. A person without contacts who is not a member is deleted.
pub async fn unlink(tx: &mut Tx, contacts: &[Uuid]) -> Result<(), StoreError> {
    // A separate statement: the next one reads the contacts after they are locked.
    let take = "UNWIND $contacts AS id MATCH (contact:Contact {id: id}) SET contact.is_taken = true";
    tx.execute(query(take).param("contacts", texts(contacts))).await?;
    let unlink = "UNWIND $contacts AS id
        MATCH (owner:Person)-[:LISTS]->(contact:Contact {id: id})-[is:IS]->(person:Person)
        DELETE is
        WITH owner, person, count(*) AS claims
        OPTIONAL MATCH (owner)-[tie:KNOWS]-(person)
        SET tie.is_taken = true
        SET tie.forward = tie.forward - CASE startNode(tie) WHEN owner THEN claims ELSE 0 END,
            tie.backward = tie.backward - CASE startNode(tie) WHEN owner THEN 0 ELSE claims END
        SET tie.strength = CASE WHEN tie.forward > 0 AND tie.backward > 0 THEN $both_sided ELSE $one_sided END
        FOREACH (unused IN CASE WHEN tie.forward + tie.backward = 0 THEN [tie] ELSE [] END | DELETE unused)
        WITH DISTINCT person SET person.is_taken = true
        WITH person WHERE person.account_id IS NULL AND NOT EXISTS { (person)<-[:IS]-() }
        DETACH DELETE person";
    tx.execute(with_strengths(unlink).param("contacts", texts(contacts))).await
}

/// Removes all other identifiers of a contact. Identifiers left without a contact and a person are deleted.
pub async fn keep_identifiers(tx: &mut Tx, contact: Uuid, keys: &[Key]) -> Result<(), StoreError> {
    let drop = "MATCH (:Contact {id: $contact})-[gives:GIVES]->(identifier:Identifier)
        WHERE NOT identifier.key IN $keys
        DELETE gives
        WITH DISTINCT identifier SET identifier.is_taken = true
        WITH identifier
        WHERE NOT EXISTS { (identifier)<-[:GIVES]-() } AND NOT EXISTS { (identifier)-[:OF]->() }
        DELETE identifier";
    tx.execute(query(drop).param("contact", contact.to_string()).param("keys", texts(keys))).await
}

/// Removes a contact. Its id and sequence are kept, so that late events are recognised.
pub async fn remove(tx: &mut Tx, contact: Uuid, sequence: i64) -> Result<(), StoreError> {
    unlink(tx, &[contact]).await?;
    keep_identifiers(tx, contact, &[]).await?;
    let remove = "MERGE (contact:Contact {id: $contact})
        SET contact = {id: $contact, sequence: $sequence}
        WITH contact MATCH (:Person)-[lists:LISTS]->(contact) DELETE lists";
    tx.execute(query(remove).param("contact", contact.to_string()).param("sequence", sequence)).await
}

pub(super) fn with_strengths(statement: &str) -> Query {
    query(statement).param("one_sided", ONE_SIDED).param("both_sided", BOTH_SIDED)
}
