//! The effect of events on the index: handled once, repeated, and out of order.

use std::time::{Duration, Instant};

use crate::common::{changed, contact, finds, finds_in_the_end, people, removed, start, working};
use accounts_events::Erased;
use contacts_events::ContactAddedV2;
use search_events::AccountDataErased;
use skeleton::store::State;
use uuid::Uuid;

fn erased(owner: Uuid) -> Erased {
    Erased { account_id: owner, ..accounts_events::samples::erased() }
}

#[tokio::test]
async fn a_contact_that_was_added_is_found_within_about_a_second() {
    let app = start().await;
    let owner = Uuid::new_v4();

    app.receives(&contact(owner, "Zoë Müller")).await;
    let handled = Instant::now();
    finds_in_the_end(&app, owner, "zoe", &["Zoë Müller"]).await;

    assert!(handled.elapsed() < Duration::from_secs(5), "{:?}", handled.elapsed());
    app.finish().await;
}

#[tokio::test]
async fn a_contact_is_found_as_it_is_now_even_if_its_events_come_twice_and_in_the_wrong_order() {
    let app = start().await;
    let owner = Uuid::new_v4();
    let added = contact(owner, "Anna Schmidt");
    let (married, moved) = (changed(&added, "Anna Weber"), changed(&added, "Anna Weber-Lang"));

    app.receives_as(&moved, 3).await;
    app.receives_as(&added, 1).await;
    app.receives_as(&married, 2).await;
    app.receives_as(&moved, 3).await;
    app.parts().store.refresh().await.unwrap();

    assert_eq!(people(&app, owner, "anna").await, ["Anna Weber-Lang"]);
    assert!(people(&app, owner, "schmidt").await.is_empty());
    app.finish().await;
}

#[tokio::test]
async fn the_same_message_again_changes_nothing() {
    let app = start().await;
    let owner = Uuid::new_v4();
    let added = contact(owner, "Anna Schmidt");
    let envelope = app.world().envelope_for(&added);

    app.receives_in(&added, &envelope).await;
    app.receives_in(&added, &envelope).await;
    app.parts().store.refresh().await.unwrap();

    assert_eq!(people(&app, owner, "anna").await, ["Anna Schmidt"]);
    app.finish().await;
}

#[tokio::test]
async fn a_removed_contact_is_not_found_even_if_older_events_come_later() {
    let app = start().await;
    let owner = Uuid::new_v4();
    let added = contact(owner, "Anna Schmidt");
    app.receives_as(&added, 1).await;

    app.receives_as(&removed(&added), 3).await;
    app.receives_as(&removed(&added), 3).await;
    app.receives_as(&changed(&added, "Anna Weber"), 2).await;
    app.parts().store.refresh().await.unwrap();

    assert!(finds(&app, owner, "anna").await.unwrap().is_empty());
    app.finish().await;
}

#[tokio::test]
async fn a_contact_removed_before_it_was_ever_seen_stays_away() {
    let app = start().await;
    let owner = Uuid::new_v4();
    let added = contact(owner, "Anna Schmidt");

    app.receives_as(&removed(&added), 2).await;
    app.receives_as(&added, 1).await;
    app.parts().store.refresh().await.unwrap();

    assert!(finds(&app, owner, "anna").await.unwrap().is_empty());
    app.finish().await;
}

#[tokio::test]
async fn of_an_erased_account_nothing_is_found_whatever_comes_late() {
    let app = start().await;
    let (owner, neighbour) = (Uuid::new_v4(), Uuid::new_v4());
    let known = contact(owner, "Anna Schmidt");
    app.receives(&known).await;
    app.receives(&contact(neighbour, "Anna Nachbar")).await;

    app.receives(&erased(owner)).await;
    let confirmed = app.published_once::<AccountDataErased>(|event| event.account_id == owner).await;
    assert_eq!(confirmed.removed, 1);
    app.receives(&erased(owner)).await;
    app.receives(&changed(&known, "Anna Weber")).await;
    app.receives(&contact(owner, "Anna Unseen")).await;
    app.receives(&removed(&known)).await;
    app.parts().store.refresh().await.unwrap();

    assert!(finds(&app, owner, "anna").await.unwrap().is_empty());
    assert_eq!(people(&app, neighbour, "anna").await, ["Anna Nachbar"]);
    app.finish().await;
}

#[tokio::test]
async fn a_contact_without_a_number_is_parked() {
    let app = start().await;
    let added = contact(Uuid::new_v4(), "Anna Schmidt");
    let envelope = events::Envelope { sequence: None, ..app.world().envelope_for(&added) };

    app.receives_in(&added, &envelope).await;

    let parked = app.parked().await;
    assert_eq!(parked.len(), 1);
    assert_eq!((parked[0].message, parked[0].state), (envelope.id, State::Parked));
    assert!(parked[0].reason.contains("sequence"), "{}", parked[0].reason);
    app.finish().await;
}

#[tokio::test]
async fn what_is_long_or_odd_is_taken_and_found() {
    let app = start().await;
    let owner = Uuid::new_v4();
    let odd = ContactAddedV2 {
        work: working("c".repeat(40_000), "t ".repeat(20_000)),
        notes: Some(format!("{} needle", "haystack \u{1F600} ".repeat(3_000))),
        emails: vec!["x".repeat(40_000), "a@b@c@d".to_owned(), "@".to_owned(), String::new()],
        phones: vec!["1".repeat(1_000), "none".to_owned()],
        urls: vec![format!("data:text/plain,{}", "u".repeat(40_000)), "://".to_owned()],
        ..contact(owner, &format!("Odd {}", "n".repeat(30_000)))
    };

    app.receives(&odd).await;
    app.parts().store.refresh().await.unwrap();

    assert_eq!(people(&app, owner, "odd").await.len(), 1);
    let notes = finds(&app, owner, "needle").await.unwrap();
    assert_eq!(notes.len(), 1);
    let highlight = notes[0].highlight.as_ref().unwrap();
    assert!(highlight.len() < 1_000 && highlight.contains("<em>needle</em>"), "{highlight}");
    app.finish().await;
}
