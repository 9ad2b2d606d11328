//! Other services add parcels and ask for them.

use depot::domain::LONGEST_LABEL;
use depot_events::{AddParcel, GetParcel, ParcelAdded};
use skeleton::testing::TestApp;
use uuid::Uuid;

#[tokio::test]
async fn a_parcel_that_was_added_is_published_and_found_by_its_owner_only() {
    let app = TestApp::start(depot::service(), &[]).await;
    let (owner_id, stranger) = (Uuid::new_v4(), Uuid::new_v4());

    let added = app.call(&AddParcel { owner_id, label: "Books".to_owned() }).await.unwrap();

    let event = app.published_once::<ParcelAdded>(|event| event.owner_id == owner_id).await;
    assert_eq!((event.parcel_id, event.label.as_str()), (added.parcel_id, "Books"));
    let found = app.call(&GetParcel { owner_id, parcel_id: added.parcel_id }).await.unwrap();
    assert_eq!(found, added);
    let refused = app.call(&GetParcel { owner_id: stranger, parcel_id: added.parcel_id }).await.unwrap_err();
    assert_eq!(refused.status, 404);
    app.finish().await;
}

#[tokio::test]
async fn a_parcel_with_an_unusable_label_is_refused_by_field() {
    let app = TestApp::start(depot::service(), &[]).await;

    for label in [" ".to_owned(), "x".repeat(LONGEST_LABEL + 1)] {
        let refused = app.call(&AddParcel { owner_id: Uuid::new_v4(), label }).await.unwrap_err();

        assert_eq!((refused.status, refused.errors[0].field.as_str()), (422, "label"));
    }
    app.finish().await;
}
