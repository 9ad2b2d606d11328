//! Contacts over failing links: requests fail in time, and nothing is lost or done twice.

use std::time::{Duration, Instant};

use accounts_events::Erased;
use contacts_events::{AccountDataErased, AddContact, ContactAddedV2, ContactRemoved, GetContact, RemoveContact};
use skeleton::{
    Postgres, RequestOptions,
    testing::{Fault, Links, TestApp, World, eventually},
};
use uuid::Uuid;

/// The longest that anything may take over a silent link: the deadline of a request, plus a margin for a slow machine.
const IN_TIME: Duration = Duration::from_secs(20);

async fn start() -> (TestApp<Postgres>, Links) {
    let settings = [("store", "statement_timeout_ms", "1000"), ("retry", "waits_ms", "[10, 10]")];
    World::new().await.start_behind_proxies(contacts::service(), &settings).await
}

fn contact(account_id: Uuid) -> AddContact {
    AddContact { account_id, ..contacts_events::samples::add_contact() }
}

#[tokio::test]
async fn while_the_database_is_silent_a_request_fails_in_time_and_an_event_waits_and_counts_once() {
    let (app, links) = start().await;
    let owner = Uuid::new_v4();
    let kept = app.call(&contact(owner)).await.unwrap();
    let erased = Erased { account_id: owner, ..accounts_events::samples::erased() };

    links.store.fault(Fault::Timeout);
    let asked = Instant::now();
    let refused = app.call(&GetContact { account_id: owner, contact_id: kept.contact_id }).await.unwrap_err();
    app.world().publish(&erased, &app.world().envelope_for(&erased)).await;
    links.store.holds(1).await;
    links.store.cut();
    links.store.heal();

    assert!(asked.elapsed() < IN_TIME && [503, 504].contains(&refused.status), "{refused} after {:?}", asked.elapsed());
    let confirmed = app.published_once::<AccountDataErased>(|event| event.account_id == owner).await;
    assert_eq!(confirmed.removed, 1);
    let gone = app.call(&GetContact { account_id: owner, contact_id: kept.contact_id }).await.unwrap_err();
    assert_eq!(gone.status, 404);
    app.finish().await;
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_on_the_way_is_done_once_when_it_is_asked_again() {
    let (app, links) = start().await;
    let owner = Uuid::new_v4();
    let asking = || RequestOptions { id: Some(Uuid::from_u128(owner.as_u128() ^ 1)), ..RequestOptions::default() };

    // A reply shows that the service consumes requests.
    let missing = app.call(&GetContact { account_id: owner, contact_id: owner }).await.unwrap_err();
    assert_eq!(missing.status, 404);
    links.broker.fault_up(Fault::Timeout);
    let wanted = contact(owner);
    let first = app.call_with(&wanted, asking());
    let cut = async {
        // The broker no longer receives anything from the service: no reply and no event.
        eventually("the contact to be written", async || match count(&app, owner).await {
            1 => Ok(()),
            other => Err(other.to_string()),
        })
        .await;
        links.broker.cut();
        links.broker.heal();
    };
    let (first, ()) = tokio::join!(first, cut);
    let again = app.call_with(&wanted, asking()).await.unwrap();

    assert!(first.is_err() || first.as_ref().is_ok_and(|reply| reply.contact_id == again.contact_id), "{first:?}");
    let added = app.published_once::<ContactAddedV2>(|event| event.owner_id == owner).await;
    assert_eq!((added.contact_id, count(&app, owner).await), (again.contact_id, 1));
    app.finish().await;
}

#[tokio::test]
async fn over_a_link_in_pieces_and_late_everything_still_happens_once() {
    let (app, links) = start().await;
    let owner = Uuid::new_v4();
    links.broker.fault(Fault::Slicer { most: 40, pause: Duration::from_micros(200) });
    links.store.fault(Fault::Latency { mean: Duration::from_millis(20), jitter: Duration::from_millis(15) });

    let kept = app.call(&contact(owner)).await.unwrap();
    app.call(&RemoveContact { account_id: owner, contact_id: kept.contact_id }).await.unwrap();

    app.published_once::<ContactAddedV2>(|event| event.owner_id == owner).await;
    app.published_once::<ContactRemoved>(|event| event.owner_id == owner).await;
    app.finish().await;
}

async fn count(app: &TestApp<Postgres>, owner: Uuid) -> i64 {
    let sql = "select count(*) from contacts where owner_id = $1";
    app.parts().store.query_one(sql, &[&owner]).await.unwrap().get(0)
}
