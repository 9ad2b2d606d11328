//! Members and their persons.

use serde::Deserialize;
use skeleton::{
    StoreError,
    store::neo4j::{Tx, query},
};
use uuid::Uuid;

use super::{
    contacts::{link, unlink},
    texts,
};
use crate::domain::{KnownPerson, Profile, Standing};

/// A contact and its owner.
#[derive(Debug, Deserialize)]
pub struct Listed {
    /// The contact.
    pub contact_id: Uuid,
    /// The account whose address book it is in.
    pub owner_id: Uuid,
}

/// What is known about an account, locked until the transaction ends.
pub async fn standing_of(tx: &mut Tx, profile: &Profile) -> Result<Standing, StoreError> {
    let asked = "MERGE (account:Account {id: $account}) SET account.is_taken = true
        FOREACH (key IN CASE WHEN account.is_erased THEN [] ELSE [$key] END |
            MERGE (identifier:Identifier {key: key}) SET identifier.is_taken = true)
        WITH account
        OPTIONAL MATCH (person:Person {account_id: $account}) SET person.is_taken = true
        WITH account, person
        OPTIONAL MATCH (:Identifier {key: $key})-[:OF]->(holder:Person)
        RETURN coalesce(account.is_erased, false) AS is_erased, person.id AS person,
            person.sequence AS sequence, holder.id AS holder, holder.account_id AS member_id";
    let asked = query(asked).param("key", profile.key.to_string()).param("account", profile.account_id.to_string());
    let found: Found = tx.query_one(asked).await?;
    let holder = found.holder.map(|person_id| KnownPerson { key: profile.key, person_id, member_id: found.member_id });
    Ok(Standing { is_erased: found.is_erased, person: found.person, sequence: found.sequence, holder })
}

#[derive(Deserialize)]
struct Found {
    is_erased: bool,
    person: Option<Uuid>,
    sequence: Option<i64>,
    holder: Option<Uuid>,
    member_id: Option<Uuid>,
}

/// Makes a person the member, with its address as the only identifier that belongs to the person.
pub async fn enrol(tx: &mut Tx, profile: &Profile, person: Uuid) -> Result<(), StoreError> {
    let enrol = "MERGE (person:Person {id: $person})
        SET person.account_id = $account, person.name = $name, person.sequence = $sequence,
            person.discoverable = $discoverable, person.nameable = $nameable
        MERGE (identifier:Identifier {key: $key})
        MERGE (identifier)-[:OF]->(person)
        WITH person, identifier
        OPTIONAL MATCH (identifier)-[before:OF]->(other:Person) WHERE other <> person
        DELETE before
        WITH DISTINCT person, identifier
        MATCH (former:Identifier)-[before:OF]->(person) WHERE former <> identifier
        SET former.is_taken = true
        DELETE before
        WITH former WHERE NOT EXISTS { (former)<-[:GIVES]-() }
        DELETE former";
    let enrol = query(enrol)
        .param("person", person.to_string())
        .param("account", profile.account_id.to_string())
        .param("name", profile.name.as_str())
        .param("sequence", profile.newness.sequence)
        .param("discoverable", profile.discoverable)
        .param("nameable", profile.nameable)
        .param("key", profile.key.to_string());
    tx.execute(enrol).await
}

/// Lets any state of the owner replace a member's state.
pub async fn forget_sequence(tx: &mut Tx, account: Uuid) -> Result<(), StoreError> {
    let forget = "MATCH (person:Person {account_id: $account}) SET person.sequence = 0";
    tx.execute(query(forget).param("account", account.to_string())).await
}

/// Moves contacts that have a member's address and are linked to a non-member. Returns them.
pub async fn move_to_member(tx: &mut Tx, profile: &Profile, person: Uuid) -> Result<Vec<Listed>, StoreError> {
    let take = "MATCH (:Identifier {key: $key})<-[:GIVES]-(contact:Contact) SET contact.is_taken = true";
    tx.execute(query(take).param("key", profile.key.to_string())).await?;
    let asked = "MATCH (:Identifier {key: $key})<-[:GIVES]-(contact:Contact)-[:IS]->(other:Person)
        WHERE other.id <> $person AND other.account_id IS NULL
        RETURN contact.id AS contact_id, contact.owner_id AS owner_id ORDER BY contact_id";
    let asked = query(asked).param("key", profile.key.to_string()).param("person", person.to_string());
    let moved: Vec<Listed> = tx.query(asked).await?;
    let contacts: Vec<Uuid> = moved.iter().map(|contact| contact.contact_id).collect();
    if !contacts.is_empty() {
        unlink(tx, &contacts).await?;
        link(tx, &contacts, person).await?;
    }
    Ok(moved)
}

/// All contacts linked to a person.
pub async fn contacts_of(tx: &mut Tx, person: Uuid) -> Result<Vec<Listed>, StoreError> {
    let asked = "MATCH (:Person {id: $person})<-[:IS]-(contact:Contact)
        RETURN contact.id AS contact_id, contact.owner_id AS owner_id ORDER BY contact_id";
    tx.query(query(asked).param("person", person.to_string())).await
}

/// Deletes a member's address book and everything known of the member alone, for good: no event and no snapshot brings
/// the member back. Returns the number of deleted records.
pub async fn erase(tx: &mut Tx, account: Uuid) -> Result<u64, StoreError> {
    let mark = "MERGE (account:Account {id: $account}) SET account.is_erased = true";
    tx.execute(query(mark).param("account", account.to_string())).await?;
    remove_member(tx, account).await
}

/// Does the same for a member whom accounts does not have: the account may come back with a later backup of accounts.
pub async fn remove_member(tx: &mut Tx, account: Uuid) -> Result<u64, StoreError> {
    let take = "MERGE (account:Account {id: $account}) SET account.is_taken = true
        WITH account OPTIONAL MATCH (person:Person {account_id: $account}) SET person.is_taken = true
        RETURN count(person) AS members";
    let members: u64 = tx.query_one(query(take).param("account", account.to_string())).await?;
    let asked = "MATCH (:Person {account_id: $account})-[:LISTS]->(contact:Contact) RETURN contact.id AS id";
    let contacts: Vec<Uuid> = tx.query(query(asked).param("account", account.to_string())).await?;
    unlink(tx, &contacts).await?;
    let forget = "UNWIND $contacts AS id
        MATCH (contact:Contact {id: id})
        OPTIONAL MATCH (contact)-[:GIVES]->(identifier:Identifier)
        DETACH DELETE contact
        WITH DISTINCT identifier SET identifier.is_taken = true
        WITH identifier
        WHERE NOT EXISTS { (identifier)<-[:GIVES]-() } AND NOT EXISTS { (identifier)-[:OF]->() }
        DELETE identifier";
    tx.execute(query(forget).param("contacts", texts(&contacts))).await?;
    let erase = "MATCH (person:Person {account_id: $account})
        SET person = {id: person.id, discoverable: false, nameable: false}
        WITH person
        OPTIONAL MATCH (identifier:Identifier)-[of:OF]->(person)
        SET identifier.is_taken = true
        DELETE of
        FOREACH (unused IN CASE WHEN EXISTS { (identifier)<-[:GIVES]-() } THEN [] ELSE [identifier] END | DELETE unused)
        FOREACH (unused IN CASE WHEN EXISTS { (person)<-[:IS]-() } THEN [] ELSE [person] END | DETACH DELETE unused)";
    tx.execute(query(erase).param("account", account.to_string())).await?;
    Ok(members + contacts.len() as u64)
}
