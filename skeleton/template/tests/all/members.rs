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

    let confirmed = app.published_once::<AccountDataErased>(|event| event.account_id == owner_id).await;
    assert_eq!(confirmed.removed, 1);
    // Late, or repeated by a replay.
    app.receives(&registered(owner_id)).await;
    let refused = app.call(&AddParcel { owner_id, label: "Books".to_owned() }).await.unwrap_err();
    assert_eq!(refused.status, 404);
    assert_eq!(parcels(&app).await, 1, "that of the other account");
    app.finish().await;
}
