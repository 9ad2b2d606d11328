//! Contacts are added, changed and removed; the ties follow.

use crate::people::*;
use network_events::IdentityLinked;

#[tokio::test]
async fn a_contact_nobody_knows_makes_a_person_and_a_tie() {
    let app = start().await;
    let [ada] = members(&app, ["Ada"]).await;

    let zoe = lists(&app, &ada, "Zoe").await;

    let linked = app.published_once::<IdentityLinked>(|linked| linked.contact_id == zoe.contact_id).await;
    assert_eq!((linked.owner_id, linked.member_id, linked.joined), (ada.account_id, None, false));
    assert_eq!(degrees(&app, &ada).await, [1, 0, 0, 0, 0, 0]);
    assert_eq!(strengths(&app).await, [0.5]);
    app.finish().await;
}

#[tokio::test]
async fn a_contact_delivered_twice_is_one_tie_and_one_event() {
    let app = start().await;
    let [ada] = members(&app, ["Ada"]).await;
    let zoe = added(&ada, &["Zoe"]);
    let envelope = app.world().envelope_for(&zoe);

    app.receives_in(&zoe, &envelope).await;
    app.receives_in(&zoe, &envelope).await;

    app.published_once::<IdentityLinked>(|linked| linked.contact_id == zoe.contact_id).await;
    assert_eq!(count(&app, "MATCH ()-[tie:KNOWS]->() RETURN sum(tie.forward + tie.backward)").await, 1);
    app.finish().await;
}

#[tokio::test]
async fn a_contact_comes_before_its_owner_and_waits() {
    let app = start().await;
    let ada = registered("Ada");
    let zoe = added(&ada, &["Zoe"]);

    let ending = app.receives(&zoe).await;
    app.receives(&ada).await;

    assert_eq!(ending.outcome, "waiting");
    app.published_once::<IdentityLinked>(|linked| linked.contact_id == zoe.contact_id).await;
    app.finish().await;
}

#[tokio::test]
async fn two_members_who_list_each_other_have_one_strong_tie() {
    let app = start().await;
    let [ada, bob] = members(&app, ["Ada", "Bob"]).await;

    let contact = lists(&app, &ada, "Bob").await;
    lists(&app, &bob, "Ada").await;

    assert_eq!(link_of(&app, contact.contact_id).await.member_id, Some(bob.account_id));
    assert_eq!(strengths(&app).await, [0.8]);
    app.finish().await;
}

#[tokio::test]
async fn two_contacts_of_one_person_are_one_tie_until_both_are_gone() {
    let app = start().await;
    let [ada] = members(&app, ["Ada"]).await;
    let first = lists(&app, &ada, "Zoe").await;
    let second = lists(&app, &ada, "Zoe").await;
    assert_eq!(strengths(&app).await, [0.5]);

    app.receives(&removed(&first)).await;
    assert_eq!(strengths(&app).await, [0.5]);
    app.receives(&removed(&second)).await;

    assert_eq!(strengths(&app).await, [0.0; 0]);
    assert_eq!(count(&app, "MATCH (person:Person) RETURN count(person)").await, 1);
    is_sound(&app).await;
    app.finish().await;
}

#[tokio::test]
async fn the_first_member_among_the_identifiers_is_the_person() {
    let app = start().await;
    let [ada, bob] = members(&app, ["Ada", "Bob"]).await;
    lists(&app, &ada, "work").await;

    let contact = added(&ada, &["home", "work", "Bob"]);
    app.receives(&contact).await;

    assert_eq!(link_of(&app, contact.contact_id).await.member_id, Some(bob.account_id));
    app.finish().await;
}

#[tokio::test]
async fn without_a_member_the_first_known_person_is_the_person() {
    let app = start().await;
    let [ada, bob] = members(&app, ["Ada", "Bob"]).await;
    let known = lists(&app, &bob, "work").await;

    let contact = added(&ada, &["home", "work"]);
    app.receives(&contact).await;

    let (contact, known) = (link_of(&app, contact.contact_id).await, link_of(&app, known.contact_id).await);
    assert_eq!(contact.person_id, known.person_id);
    assert_eq!(degrees(&app, &ada).await, [1, 1, 0, 0, 0, 0]);
    app.finish().await;
}

#[tokio::test]
async fn nobody_makes_two_persons_one_by_writing_both_addresses_on_a_card() {
    let app = start().await;
    let [ada, bob] = members(&app, ["Ada", "Bob"]).await;
    let (home, work) = (lists(&app, &ada, "home").await, lists(&app, &ada, "work").await);

    app.receives(&added(&bob, &["home", "work"])).await;

    let (home, work) = (link_of(&app, home.contact_id).await, link_of(&app, work.contact_id).await);
    assert_ne!(home.person_id, work.person_id);
    app.finish().await;
}

#[tokio::test]
async fn contacts_without_identifiers_are_persons_of_their_own() {
    let app = start().await;
    let [ada] = members(&app, ["Ada"]).await;

    app.receives(&added(&ada, &[])).await;
    app.receives(&added(&ada, &[])).await;

    assert_eq!(degrees(&app, &ada).await, [2, 0, 0, 0, 0, 0]);
    app.finish().await;
}

#[tokio::test]
async fn ones_own_address_in_ones_own_book_is_no_tie() {
    let app = start().await;
    let [ada] = members(&app, ["Ada"]).await;

    let myself = lists(&app, &ada, "Ada").await;

    assert_eq!(link_of(&app, myself.contact_id).await.member_id, Some(ada.account_id));
    assert_eq!(degrees(&app, &ada).await, [0; 6]);
    is_sound(&app).await;
    app.finish().await;
}

#[tokio::test]
async fn a_changed_contact_moves_to_another_person_and_leaves_nothing_behind() {
    let app = start().await;
    let [ada, bob] = members(&app, ["Ada", "Bob"]).await;
    let contact = lists(&app, &ada, "Zoe").await;

    app.receives(&changed(&contact, &["Bob"])).await;

    let linked = app.published::<IdentityLinked>().await;
    assert_eq!(linked.iter().map(|linked| linked.member_id).collect::<Vec<_>>(), [None, Some(bob.account_id)]);
    assert_eq!(count(&app, "MATCH (person:Person) RETURN count(person)").await, 2);
    assert_eq!(count(&app, "MATCH (identifier:Identifier) RETURN count(identifier)").await, 2);
    assert_eq!(degrees(&app, &ada).await, [1, 0, 0, 0, 0, 0]);
    is_sound(&app).await;
    app.finish().await;
}

#[tokio::test]
async fn a_contact_that_changes_its_name_only_is_not_linked_again() {
    let app = start().await;
    let [ada] = members(&app, ["Ada"]).await;
    let contact = lists(&app, &ada, "Zoe").await;
    let renamed = contacts_events::ContactChangedV2 { name: called("Zoë"), ..changed(&contact, &["Zoe"]) };
    let envelope = app.world().envelope_for(&renamed);

    app.receives_in(&renamed, &envelope).await;
    app.receives_in(&renamed, &envelope).await;

    app.published_once::<IdentityLinked>(|linked| linked.contact_id == contact.contact_id).await;
    assert_eq!(count(&app, "MATCH (contact:Contact {name: 'Zoë'}) RETURN count(contact)").await, 1);
    app.finish().await;
}

#[tokio::test]
async fn a_change_that_comes_late_is_left_out() {
    let app = start().await;
    let [ada, bob] = members(&app, ["Ada", "Bob"]).await;
    let contact = added(&ada, &["Zoe"]);

    app.receives_as(&changed(&contact, &["Bob"]), 2).await;
    app.receives_as(&contact, 1).await;

    let linked = app.published_once::<IdentityLinked>(|linked| linked.contact_id == contact.contact_id).await;
    assert_eq!(linked.member_id, Some(bob.account_id));
    is_sound(&app).await;
    app.finish().await;
}

#[tokio::test]
async fn a_removed_contact_stays_removed_whatever_comes_late() {
    let app = start().await;
    let [ada] = members(&app, ["Ada"]).await;
    let contact = added(&ada, &["Zoe"]);

    app.receives_as(&removed(&contact), 3).await;
    app.receives_as(&changed(&contact, &["Zoe"]), 2).await;
    app.receives_as(&contact, 1).await;

    assert!(app.published::<IdentityLinked>().await.is_empty());
    assert_eq!(degrees(&app, &ada).await, [0; 6]);
    assert!(!all_that_is_kept(&app).await.contains("my Zoe"));
    is_sound(&app).await;
    app.finish().await;
}

#[tokio::test]
async fn a_removed_contact_delivered_twice_takes_away_one_claim() {
    let app = start().await;
    let [ada, bob] = members(&app, ["Ada", "Bob"]).await;
    let contact = lists(&app, &ada, "Bob").await;
    lists(&app, &bob, "Ada").await;
    let gone = removed(&contact);
    let envelope = app.world().envelope_for(&gone);

    app.receives_in(&gone, &envelope).await;
    app.receives_in(&gone, &envelope).await;

    assert_eq!(strengths(&app).await, [0.5]);
    assert_eq!(degrees(&app, &ada).await, [1, 0, 0, 0, 0, 0]);
    app.finish().await;
}

#[tokio::test]
async fn addresses_are_kept_only_as_hashes() {
    let app = start().await;
    let [ada] = members(&app, ["Ada"]).await;
    lists(&app, &ada, "Zoe").await;

    let asked = "MATCH (node) WHERE any(key IN keys(node) WHERE toStringOrNull(node[key]) CONTAINS 'example.org')
        AND NOT node:Outbox RETURN count(node)";

    assert_eq!(count(&app, asked).await, 0);
    app.finish().await;
}
