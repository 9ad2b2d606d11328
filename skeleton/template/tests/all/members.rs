//! A new member has a first parcel, and nothing is left of an erased one.

use accounts_events::{Erased, Registered};
use depot_events::{AccountDataErased, AddParcel, GetParcel, ParcelAdded};
use skeleton::{Postgres, testing::TestApp};
use uuid::Uuid;

fn registered(account_id: Uuid) -> Registered {
    Registered { account_id, ..accounts_events::samples::registered() }
}

fn erased(account_id: Uuid) -> Erased {
    Erased { account_id, ..accounts_events::samples::erased() }
}

async fn parcels(app: &TestApp<Postgres>) -> usize {
    app.parts().store.query("select from parcels", &[]).await.unwrap().len()
}

#[tokio::test]
async fn a_new_member_has_one_parcel_however_often_the_event_comes() {
    let app = TestApp::start(depot::service(), &[]).await;
    let owner_id = Uuid::new_v4();

    app.receives(&registered(owner_id)).await;
    app.receives(&registered(owner_id)).await;

    let added = app.published_once::<ParcelAdded>(|event| event.owner_id == owner_id).await;
    let found = app.call(&GetParcel { owner_id, parcel_id: added.parcel_id }).await.unwrap();
    assert_eq!(found.label, "Welcome");
    assert_eq!(parcels(&app).await, 1);
    app.finish().await;
}

#[tokio::test]
async fn nothing_is_left_of_an_erased_account_and_nothing_comes_back() {
    let app = TestApp::start(depot::service(), &[]).await;
    let (owner_id, other) = (Uuid::new_v4(), Uuid::new_v4());
    app.receives(&registered(owner_id)).await;
    app.receives(&registered(other)).await;

    app.receives(&erased(owner_id)).await;
    app.receives(&erased(owner_id)).await;

    let confirmed = app.published::<AccountDataErased>().await;
    assert_eq!(confirmed.iter().map(|event| event.removed).collect::<Vec<_>>(), [1, 0]);
    // Late, or repeated by a replay.
    app.receives(&registered(owner_id)).await;
    let refused = app.call(&AddParcel { owner_id, label: "Books".to_owned() }).await.unwrap_err();
    assert_eq!(refused.status, 404);
    assert_eq!(parcels(&app).await, 1, "that of the other account");
    app.finish().await;
}

#[tokio::test]
async fn an_account_that_is_erased_before_it_is_known_gets_no_parcel() {
    let app = TestApp::start(depot::service(), &[]).await;
    let owner_id = Uuid::new_v4();

    app.receives(&erased(owner_id)).await;
    app.receives(&registered(owner_id)).await;

    assert_eq!(parcels(&app).await, 0);
    app.finish().await;
}

#[tokio::test]
async fn parcels_that_are_added_during_the_erasure_are_erased_or_refused() {
    let app = TestApp::start(depot::service(), &[]).await;
    let owner_id = Uuid::new_v4();
    let added = AddParcel { owner_id, label: "Books".to_owned() };

    let adding = futures::future::join_all((0..30).map(|_| app.call(&added)));
    let erasure = erased(owner_id);
    let (answers, _) = tokio::join!(adding, app.receives(&erasure));

    assert!(answers.iter().all(|answer| answer.as_ref().map_or_else(|refused| refused.status == 404, |_| true)));
    assert_eq!(parcels(&app).await, 0);
    app.finish().await;
}
