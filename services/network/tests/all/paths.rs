//! Paths from a member to a person, and what they show of the people on them.

use crate::people::*;
use accounts_events::ProfileChanged;
use network_events::PathsView;
use uuid::Uuid;

fn names(view: &PathsView) -> Vec<Option<&str>> {
    view.shortest.people.iter().map(|person| person.name.as_deref()).collect()
}

#[tokio::test]
async fn a_direct_contact_is_one_step_away_and_has_the_name_its_owner_gave() {
    let app = start().await;
    let [ada] = members(&app, ["Ada"]).await;
    let zoe = lists(&app, &ada, "Zoe").await;
    let person = link_of(&app, zoe.contact_id).await.person_id;

    for to in [email("Zoe"), person.to_string(), zoe.contact_id.to_string()] {
        let view = paths(&app, &ada, &to, None).await.unwrap();

        assert_eq!(names(&view), [Some("Ada"), Some("my Zoe")]);
        assert_eq!((view.shortest.length, view.shortest.strength), (1, 0.5));
        assert_eq!(view.best, view.shortest);
        let [me, target] = &view.shortest.people[..] else { panic!("two people") };
        assert_eq!((me.me, target.me), (true, false));
        assert_eq!((target.person_id, target.contact_id), (person, Some(zoe.contact_id)));
    }
    app.finish().await;
}

#[tokio::test]
async fn the_best_path_is_the_one_most_likely_to_work() {
    let app = start().await;
    let [ada, bob, eve, zoe] = members(&app, ["Ada", "Bob", "Eve", "Zoe"]).await;
    lists(&app, &ada, "Zoe").await;
    for (one, other) in [(&ada, &bob), (&bob, &eve), (&eve, &zoe)] {
        lists(&app, one, &other.name).await;
        lists(&app, other, &one.name).await;
    }

    let view = paths(&app, &ada, &email("Zoe"), None).await.unwrap();
    let near = paths(&app, &ada, &email("Zoe"), Some(2)).await.unwrap();

    assert_eq!((view.shortest.length, view.best.length), (1, 3));
    assert!((view.best.strength - 0.512).abs() < 1e-9);
    assert_eq!((near.shortest.length, near.best.length), (1, 1));
    app.finish().await;
}

#[tokio::test]
async fn go_betweens_are_named_only_as_own_contacts_or_with_their_consent() {
    let app = start().await;
    let [ada, bob, eve, fay, zoe] = members(&app, ["Ada", "Bob", "Eve", "Fay", "Zoe"]).await;
    for (owner, name) in [(&ada, "Bob"), (&bob, "Eve"), (&eve, "Fay"), (&fay, "Zoe")] {
        lists(&app, owner, name).await;
    }
    app.receives(&ProfileChanged { nameable: true, ..profile_changed(&fay) }).await;
    app.receives(&ProfileChanged { discoverable: true, ..profile_changed(&zoe) }).await;

    let view = paths(&app, &ada, &email("Zoe"), None).await.unwrap();
    let again = paths(&app, &ada, &email("Zoe"), None).await.unwrap();

    assert_eq!(names(&view), [Some("Ada"), Some("my Bob"), None, Some("Fay"), Some("Zoe")]);
    let ids = |view: &PathsView| view.shortest.people.iter().map(|person| person.person_id).collect::<Vec<_>>();
    let same: Vec<bool> = ids(&view).iter().zip(ids(&again)).map(|(one, other)| *one == other).collect();
    assert_eq!(same, [true, true, false, true, true]);
    assert_eq!(ids(&view)[2], view.best.people[2].person_id);
    app.finish().await;
}

#[tokio::test]
async fn nothing_tells_whether_someone_is_a_member() {
    let app = start().await;
    let [ada, bob, zoe] = members(&app, ["Ada", "Bob", "Zoe"]).await;
    lists(&app, &ada, "Bob").await;
    let contact = lists(&app, &bob, "Zoe").await;
    let person = link_of(&app, contact.contact_id).await.person_id;

    let nobody = paths(&app, &ada, "nobody@example.org", None).await.unwrap_err();

    assert_eq!((nobody.status, nobody.kind.as_str()), (404, "urn:kith:problem:unknown-person"));
    let hidden = [email("Zoe"), person.to_string(), contact.contact_id.to_string(), zoe.account_id.to_string()];
    for to in hidden.iter().map(String::as_str).chain(["Zoe", "", &Uuid::new_v4().to_string()]) {
        assert_eq!(paths(&app, &ada, to, None).await.unwrap_err(), nobody, "{to}");
    }
    app.finish().await;
}

#[tokio::test]
async fn a_member_who_wants_to_be_found_is_found_also_where_nobody_leads_there() {
    let app = start().await;
    let [ada, zoe] = members(&app, ["Ada", "Zoe"]).await;
    app.receives(&ProfileChanged { discoverable: true, ..profile_changed(&zoe) }).await;

    let problem = paths(&app, &ada, &email("Zoe"), None).await.unwrap_err();

    assert_eq!((problem.status, problem.kind.as_str()), (404, "urn:kith:problem:no-path"));
    app.finish().await;
}

#[tokio::test]
async fn a_path_longer_than_asked_for_is_none() {
    let app = start().await;
    let [ada, bob, zoe] = members(&app, ["Ada", "Bob", "Zoe"]).await;
    lists(&app, &ada, "Bob").await;
    lists(&app, &bob, "Zoe").await;
    app.receives(&ProfileChanged { discoverable: true, ..profile_changed(&zoe) }).await;

    assert_eq!(paths(&app, &ada, &email("Zoe"), Some(2)).await.unwrap().shortest.length, 2);
    assert_eq!(paths(&app, &ada, &email("Zoe"), Some(1)).await.unwrap_err().kind, "urn:kith:problem:no-path");
    for max in [0, 7] {
        let problem = paths(&app, &ada, &email("Zoe"), Some(max)).await.unwrap_err();
        assert_eq!((problem.status, problem.errors[0].field.as_str()), (400, "max"));
    }
    app.finish().await;
}

#[tokio::test]
async fn one_does_not_look_for_oneself_and_a_stranger_does_not_look_at_all() {
    let app = start().await;
    let [ada] = members(&app, ["Ada"]).await;
    let myself = lists(&app, &ada, "Ada").await;

    assert_eq!(paths(&app, &ada, &myself.contact_id.to_string(), None).await.unwrap_err().status, 400);
    assert_eq!(paths(&app, &registered("Eve"), &email("Ada"), None).await.unwrap_err().status, 503);
    assert_eq!(degrees(&app, &registered("Eve")).await, [0; 6]);
    app.finish().await;
}

#[tokio::test]
async fn degrees_count_everyone_once_at_the_nearest_distance() {
    let app = start().await;
    let [ada, bob, eve] = members(&app, ["Ada", "Bob", "Eve"]).await;
    for (owner, name) in [(&ada, "Bob"), (&ada, "Eve"), (&bob, "Eve"), (&bob, "Fay"), (&eve, "Fay"), (&eve, "Gus")] {
        lists(&app, owner, name).await;
    }

    assert_eq!(degrees(&app, &ada).await, [2, 2, 0, 0, 0, 0]);
    assert_eq!(degrees(&app, &bob).await, [3, 1, 0, 0, 0, 0]);
    app.finish().await;
}
