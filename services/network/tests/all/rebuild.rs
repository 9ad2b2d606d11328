//! The graph is rebuilt in place from the snapshots of accounts and contacts, and any damage is repaired.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use crate::people::*;
use accounts_events::{
    AccountSnapshot, AccountSnapshots, AccountsSum, Erased, ListAccountSnapshots, ProfileChanged, Registered,
    SumAccounts,
};
use contacts_events::{
    ContactAddedV2, ContactSnapshot, ContactSnapshots, ContactsSum, ListContactSnapshots, SumContacts,
};
use network_events::IdentityLinked;
use skeleton::{
    Neo4j, RequestHandlers,
    rebuild::{Found, Slice, Sum},
    service::RebuildOptions,
    store::neo4j::query,
    testing::{TestApp, eventually},
};
use uuid::Uuid;

const DRY_RUN: RebuildOptions = RebuildOptions { restart: false, dry_run: true };

/// The members and contacts of the owners, each with its sequence.
#[derive(Clone, Default)]
struct Owners {
    members: Arc<Mutex<BTreeMap<Uuid, (Registered, i64)>>>,
    contacts: Arc<Mutex<BTreeMap<Uuid, (ContactAddedV2, i64)>>>,
}

impl Owners {
    async fn of(app: &TestApp<Neo4j>, members: &[Registered], contacts: &[ContactAddedV2]) -> Self {
        let owners = Self::default();
        for member in members {
            owners.members.lock().unwrap().insert(member.account_id, (member.clone(), 1));
        }
        contacts.iter().for_each(|contact| owners.put(contact, 1));
        app.answered_by("accounts", owners.answers_of_accounts()).await;
        app.answered_by("contacts", owners.answers_of_contacts()).await;
        owners
    }

    fn put(&self, contact: &ContactAddedV2, sequence: i64) {
        self.contacts.lock().unwrap().insert(contact.contact_id, (contact.clone(), sequence));
    }

    fn answers_of_accounts(&self) -> RequestHandlers<Neo4j> {
        let (listing, summing) = (self.clone(), self.clone());
        RequestHandlers::new()
            .read(move |asked: ListAccountSnapshots, _| {
                let found = within(&listing.members, &asked.within);
                let accounts = found.into_iter().map(|(member, sequence)| AccountSnapshot {
                    account_id: member.account_id,
                    sequence,
                    email: member.email,
                    name: member.name,
                    discoverable: member.discoverable,
                    nameable: member.nameable,
                });
                let accounts = accounts.collect();
                async move { Ok(AccountSnapshots { accounts, next: None }) }
            })
            .read(move |asked: SumAccounts, _| {
                let found = within(&summing.members, &asked.within).into_iter();
                let sum = Sum::of(found.map(|(member, sequence)| (member.account_id, sequence)));
                async move { Ok(AccountsSum { count: sum.count, checksum: sum.checksum }) }
            })
    }

    fn answers_of_contacts(&self) -> RequestHandlers<Neo4j> {
        let (listing, summing) = (self.clone(), self.clone());
        RequestHandlers::new()
            .read(move |asked: ListContactSnapshots, _| {
                let found = within(&listing.contacts, &asked.within);
                let contacts = found.into_iter().map(|(contact, sequence)| ContactSnapshot {
                    contact_id: contact.contact_id,
                    sequence,
                    owner_id: contact.owner_id,
                    name: contact.name,
                    emails: contact.emails,
                    phones: contact.phones,
                    work: contact.work,
                    notes: contact.notes,
                    urls: contact.urls,
                });
                let contacts = contacts.collect();
                async move { Ok(ContactSnapshots { contacts, next: None }) }
            })
            .read(move |asked: SumContacts, _| {
                let found = within(&summing.contacts, &asked.within).into_iter();
                let sum = Sum::of(found.map(|(contact, sequence)| (contact.contact_id, sequence)));
                async move { Ok(ContactsSum { count: sum.count, checksum: sum.checksum }) }
            })
    }
}

fn within<T: Clone>(things: &Mutex<BTreeMap<Uuid, T>>, digits: &str) -> Vec<T> {
    let slice = Slice::parse(digits).unwrap();
    things.lock().unwrap().range(slice.first()..=slice.last()).map(|(_, thing)| thing.clone()).collect()
}

/// Changes the graph without the service's knowledge.
async fn damage(app: &TestApp<Neo4j>, statement: &str) {
    app.parts().store.execute(query(statement)).await.unwrap();
}

async fn ties(app: &TestApp<Neo4j>) -> Vec<String> {
    let asked = query(
        "MATCH (one:Person)-[tie:KNOWS]->(other:Person)
         RETURN CASE WHEN one.id < other.id THEN one.id + other.id ELSE other.id + one.id END + toString(tie.strength) AS tie
         ORDER BY tie",
    );
    app.parts().store.query(asked).await.unwrap()
}

async fn rebuild(app: &TestApp<Neo4j>, options: RebuildOptions) -> Found {
    app.rebuild(network::service(), options).await.unwrap().found
}

#[tokio::test]
async fn a_damaged_graph_is_mended() {
    let app = start().await;
    let members = members(&app, ["Ada", "Bob", "Cyd", "Dee"]).await;
    let [ada, bob, cyd, dee] = &members;
    let mut contacts = Vec::new();
    for (owner, name) in [(ada, "Bob"), (bob, "Ada"), (bob, "Cyd"), (cyd, "Dee"), (dee, "Zoe"), (ada, "Zoe")] {
        contacts.push(lists(&app, owner, name).await);
    }
    let (sound, far) = (ties(&app).await, degrees(&app, ada).await);
    Owners::of(&app, &members, &contacts).await;
    assert_eq!(rebuild(&app, DRY_RUN).await, Found::default());

    for statement in [
        "MATCH (:Person {name: 'Bob'})-[tie:KNOWS]-(:Person {name: 'Cyd'}) DELETE tie",
        "MATCH (:Person {name: 'Ada'})-[tie:KNOWS]-(:Person {name: 'Bob'}) SET tie.strength = 0.1, tie.forward = 7",
        "MATCH (:Person {name: 'Ada'}), (ada:Person {name: 'Ada'}), (dee:Person {name: 'Dee'})
         MERGE (ada)-[tie:KNOWS]->(dee) SET tie.forward = 1, tie.backward = 0, tie.strength = 0.5",
        "MATCH (:Person {name: 'Cyd'})-[:LISTS]->(contact:Contact) DETACH DELETE contact",
        "MATCH (:Person {name: 'Dee'})-[:LISTS]->(:Contact)-[is:IS]->() DELETE is",
        "CREATE (:Contact {id: 'f0000000-0000-4000-8000-000000000001', owner_id: 'x', sequence: 3})",
        "CREATE (:Person {id: 'f0000000-0000-4000-8000-000000000002', account_id: 'f0000000-0000-4000-8000-000000000003',
            name: 'Mallory', sequence: 1, discoverable: true, nameable: true})",
        "CREATE (:Person {id: 'f0000000-0000-4000-8000-000000000004', discoverable: false, nameable: false})",
        "MATCH (person:Person {name: 'Dee'}) SET person.name = 'Not Dee'",
    ] {
        damage(&app, statement).await;
    }
    assert_ne!(degrees(&app, ada).await, far);
    let found = rebuild(&app, DRY_RUN).await;
    assert_eq!(found, Found { missing: 1, different: 0, surplus: 2 });
    rebuild(&app, RebuildOptions::default()).await;

    assert_eq!(ties(&app).await, sound);
    assert_eq!(degrees(&app, ada).await, far);
    assert_eq!(rebuild(&app, DRY_RUN).await, Found::default());
    let kept = all_that_is_kept(&app).await;
    assert!(kept.contains("Person Dee") && !kept.contains("Not Dee") && !kept.contains("Mallory"), "{kept}");
    is_sound(&app).await;
    app.finish().await;
}

#[tokio::test]
async fn an_empty_graph_is_made_from_the_owners_alone_and_a_sound_one_stays_as_it_is() {
    let app = start().await;
    let members = ["Ada", "Bob"].map(registered);
    let contacts = vec![added(&members[0], &["Bob", "Zoe"]), added(&members[1], &["Ada"])];
    Owners::of(&app, &members, &contacts).await;

    rebuild(&app, RebuildOptions::default()).await;
    let (first, linked) = (ties(&app).await, app.published::<IdentityLinked>().await.len());
    rebuild(&app, RebuildOptions::default()).await;

    assert_eq!(strengths(&app).await, [0.8]);
    assert_eq!(ties(&app).await, first);
    assert_eq!(app.published::<IdentityLinked>().await.len(), linked, "a rebuild of a correct graph publishes nothing");
    is_sound(&app).await;
    app.finish().await;
}

#[tokio::test]
async fn a_lost_graph_is_not_rebuilt_before_its_numbers_are_recovered() {
    let app = start().await;
    let members = ["Ada", "Bob"].map(registered);
    Owners::of(&app, &members, &[added(&members[0], &["Bob"])]).await;
    rebuild(&app, RebuildOptions::default()).await;
    app.sent_everything().await;
    damage(&app, "MATCH (lost) WHERE lost:Sequence OR lost:Contact DETACH DELETE lost").await;

    let refused = app.rebuild(network::service(), RebuildOptions::default()).await.unwrap_err().to_string();
    assert!(refused.contains("`network sequences recover`"), "{refused}");
    assert_eq!(rebuild(&app, DRY_RUN).await.missing, 1, "something was changed");

    network::service().recover_sequences(app.settings(), false).await.unwrap();
    rebuild(&app, RebuildOptions::default()).await;
    assert_eq!(rebuild(&app, DRY_RUN).await, Found::default());
    app.finish().await;
}

#[tokio::test]
async fn a_member_gets_the_state_of_an_owner_that_is_behind_and_is_not_erased() {
    let app = start().await;
    let members = members(&app, ["Ada", "Bob"]).await;
    let named = |name: &str| ProfileChanged { name: name.to_owned(), ..profile_changed(&members[0]) };
    app.receives_as(&named("Ada King"), 3).await;
    Owners::of(&app, &members, &[]).await;

    let found = rebuild(&app, RebuildOptions::default()).await;

    assert_eq!(found, Found { missing: 0, different: 1, surplus: 0 });
    assert_eq!(rebuild(&app, DRY_RUN).await, Found::default());
    let name =
        || query("MATCH (ada:Person {account_id: $id}) RETURN ada.name").param("id", members[0].account_id.to_string());
    let seen = async || app.parts().store.query_opt::<String>(name()).await.unwrap();
    assert_eq!(seen().await.as_deref(), Some("Ada"));
    app.receives_as(&named("Countess"), 4).await;
    assert_eq!(seen().await.as_deref(), Some("Countess"));
    app.finish().await;
}

#[tokio::test]
async fn a_member_whom_accounts_lacked_for_a_while_comes_back_and_an_erased_one_does_not() {
    let app = start().await;
    let members = members(&app, ["Ada", "Bob"]).await;
    let theirs = added(&members[0], &["Bob"]);
    app.receives(&theirs).await;
    let owners = Owners::of(&app, &members[..1], &[theirs]).await;
    assert_eq!(rebuild(&app, RebuildOptions::default()).await.surplus, 1);

    owners.members.lock().unwrap().insert(members[1].account_id, (members[1].clone(), 1));
    assert_eq!(rebuild(&app, RebuildOptions::default()).await.missing, 1);
    assert_eq!(rebuild(&app, DRY_RUN).await, Found::default());
    app.sent_everything().await;
    let linked = app.published::<IdentityLinked>().await;
    assert_eq!(linked.last().unwrap().member_id, Some(members[1].account_id));
    assert!(linked.iter().all(|link| !link.joined), "announced as new: {linked:?}");
    app.receives(&Erased { account_id: members[1].account_id, ..accounts_events::samples::erased() }).await;
    app.rebuild(network::service(), RebuildOptions::default()).await.unwrap_err();
    assert_eq!(rebuild(&app, DRY_RUN).await.missing, 1);
    app.finish().await;
}

#[tokio::test]
async fn what_cannot_be_rebuilt_is_named_and_everything_else_is_rebuilt() {
    let app = start().await;
    let members = members(&app, ["Ada", "Bob"]).await;
    let theirs = added(&members[0], &["Cyd"]);
    let stray = added(&members[1], &["Dee"]);
    app.receives(&Erased { account_id: members[1].account_id, ..accounts_events::samples::erased() }).await;
    let owners = Owners::of(&app, &members[..1], &[theirs.clone(), stray.clone()]).await;
    damage(&app, "MATCH (contact:Contact) DETACH DELETE contact").await;

    let failed = app.rebuild(network::service(), RebuildOptions::default()).await.unwrap_err().to_string();

    assert!(failed.contains(&format!("missing here: contacts {}", stray.contact_id)), "{failed}");
    assert!(failed.contains("the erasure of their account"), "{failed}");
    assert_eq!(degrees(&app, &members[0]).await[0], 1);
    // The next run tries it again, and repairs what was damaged meanwhile.
    damage(&app, "MATCH (contact:Contact) DETACH DELETE contact").await;
    let again = app.rebuild(network::service(), RebuildOptions::default()).await.unwrap_err().to_string();
    assert!(again.contains(&format!("missing here: contacts {}", stray.contact_id)), "{again}");
    assert_eq!(degrees(&app, &members[0]).await[0], 1);
    owners.contacts.lock().unwrap().remove(&stray.contact_id);
    assert_eq!(rebuild(&app, RebuildOptions::default()).await, Found::default());
    app.finish().await;
}

#[tokio::test]
async fn a_rebuild_that_is_killed_while_a_slice_keeps_differing_begins_with_the_first_step() {
    let app = start().await;
    let members = members(&app, ["Ada", "Bob"]).await;
    let stray = added(&members[1], &["Dee"]);
    app.receives(&Erased { account_id: members[1].account_id, ..accounts_events::samples::erased() }).await;
    let owners = Owners::of(&app, &members[..1], std::slice::from_ref(&stray)).await;
    let bookmarks = || query("MATCH (kept:Bookmark) RETURN count(kept)");
    let count = async || app.parts().store.query_opt::<i64>(bookmarks()).await.unwrap().unwrap();
    let kept_and_dropped = async {
        eventually("a position", async || if count().await > 0 { Ok(()) } else { Err("none".to_owned()) }).await;
        eventually("no position", async || if count().await == 0 { Ok(()) } else { Err("one".to_owned()) }).await;
    };

    tokio::select! {
        ended = app.rebuild(network::service(), RebuildOptions::default()) => panic!("{ended:?}"),
        () = kept_and_dropped => {}
    }

    owners.contacts.lock().unwrap().remove(&stray.contact_id);
    let ada = members[0].account_id;
    damage(&app, &format!("MATCH (ada:Person {{account_id: '{ada}'}}) REMOVE ada.account_id")).await;
    assert_eq!(rebuild(&app, RebuildOptions::default()).await.missing, 1);
    assert_eq!(rebuild(&app, DRY_RUN).await, Found::default());
    app.finish().await;
}

#[tokio::test]
async fn what_differs_is_named() {
    let app = start().await;
    let members = members(&app, ["Ada", "Bob", "Cyd"]).await;
    let (ada, bob, cyd) = (members[0].account_id, members[1].account_id, members[2].account_id);
    app.receives_as(&ProfileChanged { name: "Robert".to_owned(), ..profile_changed(&members[1]) }, 5).await;
    Owners::of(&app, &members[..2], &[]).await;
    damage(&app, &format!("MATCH (ada:Person {{account_id: '{ada}'}}) REMOVE ada.account_id")).await;

    let seen = app.rebuild(network::service(), DRY_RUN).await.unwrap();

    let mut told: Vec<_> = seen.differences.iter().map(ToString::to_string).collect();
    told.sort();
    let expected = [
        format!("different: members {bob}, after event 5 here, after event 1 at the owner"),
        format!("missing here: members {ada}"),
        format!("surplus here: members {cyd}"),
    ];
    assert_eq!(told, expected);
    app.finish().await;
}

#[tokio::test]
async fn a_dry_run_does_not_prepare_an_empty_graph() {
    let app = start().await;
    damage(&app, "MATCH (node) DETACH DELETE node").await;

    let refused = app.rebuild(network::service(), DRY_RUN).await.unwrap_err().to_string();

    assert!(refused.contains("a dry run changes nothing"), "{refused}");
    let migrations = query("MATCH (node:Migration) RETURN count(node)");
    assert_eq!(app.parts().store.query_opt::<i64>(migrations).await.unwrap(), Some(0));
    app.stop().await;
}

#[tokio::test]
async fn contacts_that_change_while_the_graph_is_made_are_in_the_end_as_they_are() {
    let app = start().await;
    let members = members(&app, ["Ada", "Bob"]).await;
    let mut contacts: Vec<_> = (0..30).map(|number| added(&members[0], &[&format!("Friend{number}")])).collect();
    for contact in &contacts {
        app.receives(contact).await;
    }
    let owners = Owners::of(&app, &members, &contacts).await;
    damage(&app, "MATCH ()-[tie:KNOWS]-() DELETE tie").await;

    let changing = async {
        for (number, contact) in contacts.iter_mut().enumerate() {
            contact.emails = vec![email(&format!("Other{}", number % 7))];
            owners.put(contact, 2);
            app.receives_as(&changed(contact, &[&format!("Other{}", number % 7)]), 2).await;
            if number % 4 == 0 {
                owners.contacts.lock().unwrap().remove(&contact.contact_id);
                app.receives_as(&removed(contact), 3).await;
            }
        }
    };
    let rebuilding = app.rebuild(network::service(), RebuildOptions::default());
    let (rebuilt, ()) = tokio::join!(rebuilding, changing);

    assert!(rebuilt.unwrap().finished);
    assert_eq!(rebuild(&app, DRY_RUN).await, Found::default());
    assert_eq!(degrees(&app, &members[0]).await[0], 7);
    is_sound(&app).await;
    app.finish().await;
}
