//! Shared by this service's tests: an app, contacts and searches.

use contacts_events::{ContactAddedV2, ContactChangedV2, ContactRemoved, PersonName, Work};
use futures::future::join_all;
use search_events::{Found, Search, SearchKind};
use skeleton::{
    Elasticsearch, Problem,
    testing::{TestApp, eventually},
};
use uuid::Uuid;

pub type App = TestApp<Elasticsearch>;

pub async fn start() -> App {
    TestApp::start(search::service(), &[]).await
}

/// A contact of this account with nothing but a name.
pub fn contact(owner: Uuid, name: &str) -> ContactAddedV2 {
    ContactAddedV2 {
        contact_id: Uuid::new_v4(),
        owner_id: owner,
        name: called(name),
        emails: Vec::new(),
        phones: Vec::new(),
        work: None,
        notes: None,
        urls: Vec::new(),
        ..contacts_events::samples::contact_added_v2()
    }
}

pub fn called(name: &str) -> PersonName {
    PersonName { full: name.to_owned(), given: None, family: None }
}

pub fn working(company: impl Into<String>, title: impl Into<String>) -> Option<Work> {
    Some(Work { company: Some(company.into()), title: Some(title.into()) })
}

pub fn changed(contact: &ContactAddedV2, name: &str) -> ContactChangedV2 {
    ContactChangedV2 {
        contact_id: contact.contact_id,
        owner_id: contact.owner_id,
        name: called(name),
        ..contacts_events::samples::contact_changed_v2()
    }
}

pub fn removed(contact: &ContactAddedV2) -> ContactRemoved {
    ContactRemoved {
        contact_id: contact.contact_id,
        owner_id: contact.owner_id,
        ..contacts_events::samples::contact_removed()
    }
}

pub fn question(owner: Uuid, text: &str) -> Search {
    Search { account_id: owner, text: text.to_owned(), kind: None, limit: Some(50) }
}

/// Publishes many contacts, and waits until all are handled: those of one partition may overtake those of another.
pub async fn filled_with(app: &App, contacts: &[ContactAddedV2]) {
    for some in contacts.chunks(64) {
        join_all(some.iter().map(|contact| app.receives(contact))).await;
    }
    app.parts().store.refresh().await.unwrap();
}

/// The results of an account's search.
pub async fn finds(app: &App, owner: Uuid, text: &str) -> Result<Vec<Found>, Problem> {
    Ok(app.call(&question(owner, text)).await?.items)
}

/// The names of the people that an account's search finds.
pub async fn people(app: &App, owner: Uuid, text: &str) -> Vec<String> {
    titles(app, Search { kind: Some(SearchKind::Person), ..question(owner, text) }).await
}

pub async fn companies(app: &App, owner: Uuid, text: &str) -> Vec<String> {
    titles(app, Search { kind: Some(SearchKind::Company), ..question(owner, text) }).await
}

pub async fn titles(app: &App, asked: Search) -> Vec<String> {
    app.call(&asked).await.unwrap().items.into_iter().map(|found| found.title).collect()
}

/// Waits until an account's search finds exactly these people.
pub async fn finds_in_the_end(app: &App, owner: Uuid, text: &str, expected: &[&str]) {
    eventually(&format!("{text} to find {expected:?}"), async || match people(app, owner, text).await {
        found if found == expected => Ok(()),
        found => Err(format!("{found:?}")),
    })
    .await;
}
