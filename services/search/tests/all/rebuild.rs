//! The index is rebuilt from the contacts service: from any damage, during changes, and across kills.

use std::{
    collections::BTreeMap,
    process::Stdio,
    sync::{Arc, Mutex},
};

use crate::common::{App, changed, contact, filled_with, people, removed, start};
use accounts_events::Erased;
use contacts_events::{
    ContactAddedV2, ContactSnapshot, ContactSnapshots, ContactsSum, ListContactSnapshots, SumContacts,
};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use skeleton::{
    Elasticsearch, RequestHandlers,
    rebuild::{Found, Slice, Sum},
    service::RebuildOptions,
    testing::{Servers, eventually},
};
use tokio::sync::watch;
use uuid::Uuid;

const DRY_RUN: RebuildOptions = RebuildOptions { restart: false, dry_run: true };

/// The address books, as held by the contacts service.
#[derive(Clone)]
struct Books {
    contacts: Arc<Mutex<BTreeMap<Uuid, ContactSnapshot>>>,
    /// The requested slices, in order.
    asked: Arc<Mutex<Vec<String>>>,
    /// The slice whose request is held back until this changes.
    held: watch::Sender<Option<String>>,
}

impl Books {
    fn of(contacts: &[ContactAddedV2]) -> Self {
        let books = Self { contacts: Arc::default(), asked: Arc::default(), held: watch::Sender::default() };
        contacts.iter().for_each(|contact| books.put(contact, 1));
        books
    }

    fn put(&self, contact: &ContactAddedV2, sequence: i64) {
        let contact = ContactSnapshot {
            contact_id: contact.contact_id,
            sequence,
            owner_id: contact.owner_id,
            name: contact.name.clone(),
            emails: contact.emails.clone(),
            phones: contact.phones.clone(),
            work: contact.work.clone(),
            notes: contact.notes.clone(),
            urls: contact.urls.clone(),
        };
        self.contacts.lock().unwrap().insert(contact.contact_id, contact);
    }

    fn take_out(&self, contact: &ContactAddedV2) {
        self.contacts.lock().unwrap().remove(&contact.contact_id);
    }

    fn within(&self, digits: &str) -> Vec<ContactSnapshot> {
        let slice = Slice::parse(digits).unwrap();
        self.contacts.lock().unwrap().range(slice.first()..=slice.last()).map(|(_, contact)| contact.clone()).collect()
    }

    fn times_asked(&self, slice: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|asked| *asked == slice).count()
    }

    fn answers(&self) -> RequestHandlers<Elasticsearch> {
        let (listing, summing) = (self.clone(), self.clone());
        RequestHandlers::new()
            .read(move |asked: ListContactSnapshots, _| {
                let books = listing.clone();
                async move {
                    books.asked.lock().unwrap().push(asked.within.clone());
                    let mut held = books.held.subscribe();
                    held.wait_for(|held| held.as_ref() != Some(&asked.within)).await.unwrap();
                    let after = |contact: &ContactSnapshot| asked.after.is_none_or(|after| contact.contact_id > after);
                    let mut contacts = books.within(&asked.within);
                    contacts.retain(after);
                    contacts.truncate(20);
                    let next = contacts.last().filter(|_| contacts.len() == 20).map(|contact| contact.contact_id);
                    Ok(ContactSnapshots { contacts, next })
                }
            })
            .read(move |asked: SumContacts, _| {
                let contacts = summing.within(&asked.within);
                let sum = Sum::of(contacts.iter().map(|contact| (contact.contact_id, contact.sequence)));
                async move { Ok(ContactsSum { count: sum.count, checksum: sum.checksum }) }
            })
    }
}

/// Calls the server as its administrator, without the service's knowledge.
async fn behind_its_back(app: &App, method: Method, path: &str, body: Value) -> Value {
    #[derive(serde::Deserialize)]
    struct Store {
        prefix: String,
    }
    let store: Store = app.settings().section("store").unwrap();
    let url = format!("{}/{}-contacts{path}", Servers::from_env().elasticsearch, store.prefix);
    let mut request = Client::new().request(method, url);
    if !body.is_null() {
        request = request.json(&body);
    }
    let answer = request.send().await.unwrap();
    assert!(answer.status().is_success(), "{path}: {}", answer.status());
    answer.json().await.unwrap()
}

async fn index_of(app: &App) -> String {
    let found = behind_its_back(app, Method::GET, "/_alias", Value::Null).await;
    found.as_object().unwrap().keys().next().unwrap().clone()
}

#[tokio::test]
async fn a_damaged_index_is_mended() {
    let (app, owner) = (start().await, Uuid::new_v4());
    let contacts: Vec<_> = ["Ada", "Bob", "Cyd", "Dee"].map(|name| contact(owner, &format!("{name} Miller"))).into();
    filled_with(&app, &contacts).await;
    let gone = contact(owner, "Eve Miller");
    app.receives(&gone).await;
    app.receives(&removed(&gone)).await;
    app.answered_by("contacts", Books::of(&contacts).answers()).await;
    let lost = contacts[1].contact_id;
    behind_its_back(&app, Method::DELETE, &format!("/_doc/{lost}"), Value::Null).await;
    let written = |id: Uuid, name: &str| json!({ "owner_id": owner, "contact_id": id, "name": name, "emails": [], "phones": [], "urls": [] });
    let wrong = written(contacts[0].contact_id, "Zed Miller");
    let over = format!("/_doc/{}?version=1&version_type=external_gte", contacts[0].contact_id);
    behind_its_back(&app, Method::PUT, &over, wrong).await;
    let stranger = Uuid::new_v4();
    let invented = written(stranger, "Ivan Miller");
    behind_its_back(&app, Method::PUT, &format!("/_doc/{stranger}"), invented).await;
    app.parts().store.refresh().await.unwrap();
    assert_eq!(people(&app, owner, "miller").await, ["Cyd Miller", "Dee Miller", "Ivan Miller", "Zed Miller"]);
    let before = index_of(&app).await;

    let seen = app.rebuild(search::service(), DRY_RUN).await.unwrap();
    assert_eq!(seen.found, Found { missing: 1, different: 0, surplus: 1 });
    assert_eq!(index_of(&app).await, before);
    let rebuilt = app.rebuild(search::service(), RebuildOptions::default()).await.unwrap();

    assert!(rebuilt.finished);
    assert_eq!(people(&app, owner, "miller").await, ["Ada Miller", "Bob Miller", "Cyd Miller", "Dee Miller"]);
    assert_eq!(index_of(&app).await, format!("{before}-r1"));
    assert_eq!(app.rebuild(search::service(), DRY_RUN).await.unwrap().found, Found::default());
    // Removed contacts stay removed, even if late events arrive.
    app.receives_as(&gone, 1).await;
    app.parts().store.refresh().await.unwrap();
    assert!(people(&app, owner, "eve").await.is_empty());
    app.finish().await;
}

#[tokio::test]
async fn a_contact_that_a_restored_owner_has_again_is_found_again() {
    let (app, owner) = (start().await, Uuid::new_v4());
    let (kept, removed_later) = (contact(owner, "Ada Miller"), contact(owner, "Bob Miller"));
    filled_with(&app, &[kept.clone(), removed_later.clone()]).await;
    app.receives_as(&removed(&removed_later), 2).await;
    let books = Books::of(std::slice::from_ref(&kept));
    // The owner's next number is after that of the removal: its state has this one.
    books.put(&removed_later, 2);
    app.answered_by("contacts", books.answers()).await;

    assert!(app.rebuild(search::service(), RebuildOptions::default()).await.unwrap().finished);

    assert_eq!(people(&app, owner, "miller").await, ["Ada Miller", "Bob Miller"]);
    assert_eq!(app.rebuild(search::service(), DRY_RUN).await.unwrap().found, Found::default());
    app.receives_as(&removed(&removed_later), 2).await;
    assert_eq!(people(&app, owner, "miller").await, ["Ada Miller", "Bob Miller"]);
    app.finish().await;
}

#[tokio::test]
async fn contacts_that_change_while_the_index_is_made_are_found_as_they_are_in_the_end() {
    let (app, owner, leaving) = (start().await, Uuid::new_v4(), Uuid::new_v4());
    let mut contacts: Vec<_> = (0..60).map(|number| contact(owner, &format!("Person{number:02} Miller"))).collect();
    let theirs = contact(leaving, "Lea Leaving");
    filled_with(&app, &contacts).await;
    app.receives(&theirs).await;
    let books = Books::of(&contacts);
    books.put(&theirs, 1);
    app.answered_by("contacts", books.answers()).await;

    let changing = async {
        for (number, contact) in contacts.iter_mut().enumerate() {
            contact.name.full = format!("Changed{number:02} Miller");
            books.put(contact, 2);
            app.receives_as(&changed(contact, &contact.name.full), 2).await;
            if number % 3 == 0 {
                books.take_out(contact);
                app.receives_as(&removed(contact), 3).await;
            }
        }
        books.take_out(&theirs);
        app.receives(&Erased { account_id: leaving, ..accounts_events::samples::erased() }).await;
    };
    let (rebuilt, ()) = tokio::join!(app.rebuild(search::service(), RebuildOptions::default()), changing);

    assert!(rebuilt.unwrap().finished);
    app.parts().store.refresh().await.unwrap();
    assert_eq!(app.rebuild(search::service(), DRY_RUN).await.unwrap().found, Found::default());
    let left = (0..60).filter(|number| number % 3 != 0).map(|number| format!("Changed{number:02} Miller"));
    assert_eq!(people(&app, owner, "miller").await, left.collect::<Vec<_>>());
    assert!(people(&app, leaving, "lea").await.is_empty());
    app.finish().await;
}

#[tokio::test]
async fn a_rebuild_that_is_killed_goes_on_where_it_was_and_searches_are_answered_meanwhile() {
    let (app, owner) = (start().await, Uuid::new_v4());
    let contacts: Vec<_> = (0..600).map(|number| contact(owner, &format!("Person{number:03} Miller"))).collect();
    app.receives(&contacts[7]).await;
    app.parts().store.refresh().await.unwrap();
    let books = Books::of(&contacts);
    app.answered_by("contacts", books.answers()).await;
    let rebuild = || {
        let mut program = app.command(env!("CARGO_BIN_EXE_search"));
        program.arg("rebuild").stdout(Stdio::null()).stderr(Stdio::piped());
        program
    };

    books.held.send_replace(Some("8".to_owned()));
    let mut killed = rebuild().spawn().unwrap();
    eventually("the slice in the middle", async || match books.times_asked("8") {
        0 => Err(format!("{:?}", books.asked.lock().unwrap())),
        _ => Ok(()),
    })
    .await;
    killed.kill().await.unwrap();
    assert_eq!(people(&app, owner, "miller").await, ["Person007 Miller"]);
    books.held.send_replace(None);
    let done = rebuild().output().await.unwrap();

    let told = String::from_utf8(done.stderr).unwrap();
    assert!(done.status.success() && told.ends_with("done\n"), "{told}");
    app.parts().store.refresh().await.unwrap();
    assert_eq!(app.rebuild(search::service(), DRY_RUN).await.unwrap().found, Found::default());
    assert_eq!(people(&app, owner, "person599").await[0], "Person599 Miller");
    // Placed and compared, each once and page by page: the first slice was not placed again.
    let pages = |slice: &str| books.within(slice).len() / 20 + 1;
    assert_eq!(books.times_asked("0"), 3 * pages("0"), "placed, compared, and looked at above");
    assert_eq!(books.times_asked("8"), 3 * pages("8") + 1, "once more before the kill");
    app.finish().await;
}
