//! Shared by this service's tests: members and their address books.

use accounts_events::{Erased, ProfileChanged, Registered};
use contacts_events::{ContactAddedV2, ContactChangedV2, ContactRemoved, PersonName};
use network_events::{DegreesView, FindPaths, GetDegrees, IdentityLinked, PathsView};
use skeleton::{Neo4j, Problem, store::neo4j::query, testing::TestApp};
use uuid::Uuid;

/// The service, without members.
pub async fn start() -> TestApp<Neo4j> {
    TestApp::start(network::service(), &[("identity", "pepper", "test")]).await
}

/// A person with this name registers, with an address of this name.
pub fn registered(name: &str) -> Registered {
    let (account_id, email) = (Uuid::new_v4(), email(name));
    Registered { account_id, email, name: name.to_owned(), ..accounts_events::samples::registered() }
}

/// A profile change of a member that changes nothing yet.
pub fn profile_changed(member: &Registered) -> ProfileChanged {
    ProfileChanged {
        account_id: member.account_id,
        email: member.email.clone(),
        name: member.name.clone(),
        discoverable: member.discoverable,
        nameable: member.nameable,
        ..accounts_events::samples::profile_changed()
    }
}

/// A member is erased.
pub fn erased(member: &Registered) -> Erased {
    Erased { account_id: member.account_id, ..accounts_events::samples::erased() }
}

/// A member adds a contact with the addresses of these names, and nothing else.
pub fn added(owner: &Registered, names: &[&str]) -> ContactAddedV2 {
    ContactAddedV2 {
        contact_id: Uuid::new_v4(),
        owner_id: owner.account_id,
        name: called(format!("my {}", names.first().unwrap_or(&"friend"))),
        emails: names.iter().map(|name| email(name)).collect(),
        phones: Vec::new(),
        urls: Vec::new(),
        ..contacts_events::samples::contact_added_v2()
    }
}

pub fn called(name: impl Into<String>) -> PersonName {
    PersonName { full: name.into(), given: None, family: None }
}

/// A contact changes to the addresses of these names.
pub fn changed(contact: &ContactAddedV2, names: &[&str]) -> ContactChangedV2 {
    ContactChangedV2 {
        contact_id: contact.contact_id,
        owner_id: contact.owner_id,
        name: contact.name.clone(),
        emails: names.iter().map(|name| email(name)).collect(),
        phones: contact.phones.clone(),
        urls: contact.urls.clone(),
        ..contacts_events::samples::contact_changed_v2()
    }
}

/// A contact is removed.
pub fn removed(contact: &ContactAddedV2) -> ContactRemoved {
    let (contact_id, owner_id) = (contact.contact_id, contact.owner_id);
    ContactRemoved { contact_id, owner_id, ..contacts_events::samples::contact_removed() }
}

pub fn email(name: &str) -> String {
    format!("{}@example.org", name.to_lowercase())
}

/// Members with these names.
pub async fn members<const N: usize>(app: &TestApp<Neo4j>, names: [&str; N]) -> [Registered; N] {
    let members = names.map(registered);
    for member in &members {
        app.receives(member).await;
    }
    members
}

/// A member adds a contact to their address book.
pub async fn lists(app: &TestApp<Neo4j>, owner: &Registered, name: &str) -> ContactAddedV2 {
    let contact = added(owner, &[name]);
    app.receives(&contact).await;
    contact
}

/// The last link published for a contact.
pub async fn link_of(app: &TestApp<Neo4j>, contact: Uuid) -> IdentityLinked {
    let linked = app.published::<IdentityLinked>().await;
    linked.into_iter().rfind(|linked| linked.contact_id == contact).unwrap()
}

/// The number that a query of the graph returns.
pub async fn count(app: &TestApp<Neo4j>, question: &str) -> i64 {
    app.parts().store.query_opt(query(question)).await.unwrap().unwrap()
}

/// The strengths of all ties, weakest first.
pub async fn strengths(app: &TestApp<Neo4j>) -> Vec<f64> {
    let asked = query("MATCH ()-[tie:KNOWS]->() RETURN tie.strength AS strength ORDER BY strength");
    app.parts().store.query(asked).await.unwrap()
}

/// Every text stored anywhere in the graph, as one string.
pub async fn all_that_is_kept(app: &TestApp<Neo4j>) -> String {
    let asked = query("MATCH (node) RETURN toString(labels(node)[0]) + ' ' + toString(properties(node).name) AS kept");
    let kept: Vec<Option<String>> = app.parts().store.query(asked).await.unwrap();
    let ids = query("MATCH (node:Person) RETURN coalesce(node.account_id, '') AS kept");
    let ids: Vec<String> = app.parts().store.query(ids).await.unwrap();
    kept.into_iter().flatten().chain(ids).collect::<Vec<_>>().join("\n")
}

/// The number of people at distances 1 to 6.
pub async fn degrees(app: &TestApp<Neo4j>, member: &Registered) -> Vec<u32> {
    let view: DegreesView = app.call(&GetDegrees { account_id: member.account_id }).await.unwrap();
    assert!(view.degrees.iter().map(|degree| degree.degree).eq(1..=6));
    view.degrees.iter().map(|degree| degree.people).collect()
}

/// The paths from a member to a person.
pub async fn paths(app: &TestApp<Neo4j>, from: &Registered, to: &str, max: Option<u32>) -> Result<PathsView, Problem> {
    app.call(&FindPaths { account_id: from.account_id, to: to.to_owned(), max }).await
}

/// Checks the graph's invariants: each query counts violations.
pub async fn is_sound(app: &TestApp<Neo4j>) {
    let wrong = [
        "MATCH (one:Person)-[tie:KNOWS]->(other:Person)
         WITH tie, COUNT { (one)-[:LISTS]->()-[:IS]->(other) } AS forward,
            COUNT { (other)-[:LISTS]->()-[:IS]->(one) } AS backward
         WHERE tie.forward <> forward OR tie.backward <> backward OR forward + backward = 0
            OR tie.strength <> CASE WHEN forward > 0 AND backward > 0 THEN 0.8 ELSE 0.5 END
         RETURN count(tie)",
        "MATCH (owner:Person)-[:LISTS]->()-[:IS]->(person:Person)
         WHERE owner <> person AND COUNT { (owner)-[:KNOWS]-(person) } <> 1 RETURN count(person)",
        "MATCH (person:Person)-[:KNOWS]-(person) RETURN count(person)",
        "MATCH (contact:Contact) WHERE COUNT { (contact)<-[:LISTS]-() } <> COUNT { (contact)-[:IS]->() }
            OR COUNT { (contact)<-[:LISTS]-() } > 1 RETURN count(contact)",
        "MATCH (person:Person) WHERE person.account_id IS NULL
            AND (NOT EXISTS { (person)<-[:IS]-() } OR EXISTS { (person)-[:LISTS]->() } OR person.name IS NOT NULL)
         RETURN count(person)",
        "MATCH (identifier:Identifier) WHERE COUNT { (identifier)-[:OF]->() } > 1
            OR NOT EXISTS { (identifier)<-[:GIVES]-() } AND NOT EXISTS { (identifier)-[:OF]->() }
         RETURN count(identifier)",
        "MATCH (person:Person) WHERE COUNT { (person)<-[:OF]-() } > 1 RETURN count(person)",
    ];
    for question in wrong {
        assert_eq!(count(app, question).await, 0, "{question}");
    }
}
