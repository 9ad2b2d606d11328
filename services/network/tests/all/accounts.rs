//! Accounts are created, changed and erased; their persons follow.

use crate::people::*;
use accounts_events::ProfileChanged;
use network_events::{AccountDataErased, IdentityLinked};

#[tokio::test]
async fn who_joins_is_the_person_others_have_already_and_they_are_told() {
    let app = start().await;
    let [ada, bob] = members(&app, ["Ada", "Bob"]).await;
    let (first, second) = (lists(&app, &ada, "Zoe").await, lists(&app, &bob, "Zoe").await);
    let before = link_of(&app, first.contact_id).await;

    let [zoe] = members(&app, ["Zoe"]).await;

    for contact in [first, second] {
        let joined = |linked: &IdentityLinked| linked.contact_id == contact.contact_id && linked.joined;
        let linked = app.published_once::<IdentityLinked>(joined).await;
        assert_eq!((linked.person_id, linked.member_id), (before.person_id, Some(zoe.account_id)));
    }
    assert_eq!(degrees(&app, &zoe).await, [2, 0, 0, 0, 0, 0]);
    app.finish().await;
}

#[tokio::test]
async fn who_joins_gets_the_contacts_that_give_their_address_second() {
    let app = start().await;
    let [ada, bob] = members(&app, ["Ada", "Bob"]).await;
    let contact = added(&ada, &["home", "Zoe"]);
    app.receives(&contact).await;
    lists(&app, &bob, "Zoe").await;
    assert_eq!(degrees(&app, &ada).await, [1, 0, 0, 0, 0, 0]);

    let [zoe] = members(&app, ["Zoe"]).await;

    let linked = app.published_once::<IdentityLinked>(|it| it.contact_id == contact.contact_id && it.joined).await;
    assert_eq!(linked.member_id, Some(zoe.account_id));
    assert_eq!(degrees(&app, &ada).await, [1, 1, 0, 0, 0, 0]);
    assert_eq!(count(&app, "MATCH (person:Person) RETURN count(person)").await, 3);
    is_sound(&app).await;
    app.finish().await;
}

#[tokio::test]
async fn a_contact_of_a_member_stays_theirs_when_another_joins() {
    let app = start().await;
    let [ada, bob] = members(&app, ["Ada", "Bob"]).await;
    let contact = added(&ada, &["Zoe", "Bob"]);
    app.receives(&contact).await;

    members(&app, ["Zoe"]).await;

    let linked = app.published_once::<IdentityLinked>(|linked| linked.contact_id == contact.contact_id).await;
    assert_eq!(linked.member_id, Some(bob.account_id));
    app.finish().await;
}

#[tokio::test]
async fn an_account_delivered_twice_joins_once() {
    let app = start().await;
    let [ada] = members(&app, ["Ada"]).await;
    lists(&app, &ada, "Zoe").await;
    let zoe = registered("Zoe");
    let envelope = app.world().envelope_for(&zoe);

    app.receives_in(&zoe, &envelope).await;
    app.receives_in(&zoe, &envelope).await;

    app.published_once::<IdentityLinked>(|linked| linked.joined).await;
    app.finish().await;
}

#[tokio::test]
async fn an_address_that_another_account_has_is_waited_for() {
    let app = start().await;
    let [first] = members(&app, ["Zoe"]).await;
    let second = registered("Zoe");

    let ending = app.receives(&second).await;
    app.receives(&erased(&first)).await;

    assert_eq!(ending.outcome, "waiting");
    app.sent_everything().await;
    skeleton::testing::eventually("the second account", async || {
        match count(&app, "MATCH (person:Person) WHERE person.account_id IS NOT NULL RETURN count(person)").await {
            1 => Ok(()),
            members => Err(format!("{members} members")),
        }
    })
    .await;
    app.finish().await;
}

#[tokio::test]
async fn a_profile_is_taken_in_once_and_in_order() {
    let app = start().await;
    let [ada] = members(&app, ["Ada"]).await;
    let newer = ProfileChanged { name: "Countess".to_owned(), discoverable: true, ..profile_changed(&ada) };
    let older = ProfileChanged { name: "Miss".to_owned(), ..profile_changed(&ada) };

    app.receives_as(&newer, 3).await;
    app.receives_as(&newer, 3).await;
    app.receives_as(&older, 2).await;

    let asked = "MATCH (person:Person {name: 'Countess', discoverable: true}) RETURN count(person)";
    assert_eq!(count(&app, asked).await, 1);
    app.finish().await;
}

#[tokio::test]
async fn a_profile_comes_before_its_account_and_waits() {
    let app = start().await;
    let ada = registered("Ada");
    let changed = ProfileChanged { name: "Countess".to_owned(), ..profile_changed(&ada) };

    let ending = app.receives_as(&changed, 2).await;
    app.receives_as(&ada, 1).await;

    assert_eq!(ending.outcome, "waiting");
    skeleton::testing::eventually("the new name", async || {
        match count(&app, "MATCH (person:Person {name: 'Countess'}) RETURN count(person)").await {
            1 => Ok(()),
            found => Err(format!("{found} of that name")),
        }
    })
    .await;
    app.finish().await;
}

#[tokio::test]
async fn an_account_that_changes_its_address_keeps_its_person() {
    let app = start().await;
    let [ada, zoe] = members(&app, ["Ada", "Zoe"]).await;
    let (old, new) = (lists(&app, &ada, "Zoe").await, lists(&app, &ada, "newzoe").await);
    let person = link_of(&app, old.contact_id).await.person_id;

    app.receives(&ProfileChanged { email: email("newzoe"), ..profile_changed(&zoe) }).await;

    let linked = link_of(&app, new.contact_id).await;
    assert_eq!((linked.person_id, linked.member_id, linked.joined), (person, Some(zoe.account_id), false));
    assert_eq!(strengths(&app).await, [0.5]);
    is_sound(&app).await;
    app.finish().await;
}

#[tokio::test]
async fn an_erased_account_takes_its_address_book_along_and_stays_a_person_to_others() {
    let app = start().await;
    let [ada, zoe] = members(&app, ["Ada", "Zoe"]).await;
    let contact = lists(&app, &ada, "Zoe").await;
    let (back, friend) = (lists(&app, &zoe, "Ada").await, lists(&app, &zoe, "Friend").await);
    let gone = erased(&zoe);
    let envelope = app.world().envelope_for(&gone);

    app.receives_in(&gone, &envelope).await;
    app.receives_in(&gone, &envelope).await;
    app.receives(&changed(&friend, &["Friend", "other"])).await;
    app.receives(&removed(&back)).await;
    app.receives(&added(&zoe, &["late"])).await;

    assert_eq!(degrees(&app, &ada).await, [1, 0, 0, 0, 0, 0]);
    assert_eq!(strengths(&app).await, [0.5]);
    assert_eq!(degrees(&app, &zoe).await, [0; 6]);
    let kept = all_that_is_kept(&app).await;
    assert!(
        !kept.contains("Friend") && !kept.contains("Person Zoe") && !kept.contains(&zoe.account_id.to_string()),
        "{kept}"
    );
    assert_eq!(count(&app, "MATCH (person:Person) RETURN count(person)").await, 2);
    assert_eq!(link_of(&app, contact.contact_id).await.owner_id, ada.account_id);
    is_sound(&app).await;
    app.finish().await;
}

#[tokio::test]
async fn an_erased_account_whom_nobody_has_leaves_nothing() {
    let app = start().await;
    let [zoe] = members(&app, ["Zoe"]).await;
    lists(&app, &zoe, "Friend").await;

    app.receives(&erased(&zoe)).await;
    app.receives(&erased(&zoe)).await;

    let confirmed = app.published::<AccountDataErased>().await;
    assert_eq!(confirmed.iter().map(|event| event.removed).collect::<Vec<_>>(), [2, 0], "the person and a contact");
    assert_eq!(
        count(&app, "MATCH (node) WHERE node:Person OR node:Contact OR node:Identifier RETURN count(node)").await,
        0
    );
    app.finish().await;
}

#[tokio::test]
async fn an_account_that_was_erased_first_never_comes_back() {
    let app = start().await;
    let zoe = registered("Zoe");

    app.receives_as(&erased(&zoe), 2).await;
    app.receives_as(&zoe, 1).await;

    assert_eq!(count(&app, "MATCH (person:Person) RETURN count(person)").await, 0);
    is_sound(&app).await;
    app.finish().await;
}

#[tokio::test]
async fn who_comes_back_under_the_same_address_is_the_same_person() {
    let app = start().await;
    let [ada, zoe] = members(&app, ["Ada", "Zoe"]).await;
    let contact = lists(&app, &ada, "Zoe").await;
    let before = link_of(&app, contact.contact_id).await;
    app.receives(&erased(&zoe)).await;

    let [again] = members(&app, ["Zoe"]).await;

    let linked = app.published_once::<IdentityLinked>(|linked| linked.joined).await;
    assert_eq!((linked.person_id, linked.member_id), (before.person_id, Some(again.account_id)));
    is_sound(&app).await;
    app.finish().await;
}
