//! Old parcels are removed by a schedule.

use chrono::TimeDelta;
use depot::domain::KEPT_DAYS;
use depot_events::{AddParcel, GetParcel, ParcelRemoved};
use skeleton::testing::{TestClock, World, eventually};
use uuid::Uuid;

#[tokio::test]
async fn a_parcel_is_removed_and_published_once_it_is_too_old() {
    let clock = TestClock::running();
    let world = World::in_time_of(&clock).await;
    let app = world.start(depot::service(), &[]).await;
    let owner_id = Uuid::new_v4();
    // More than one step of the job.
    let old = "insert into parcels select gen_random_uuid(), $1, 'old', now() from generate_series(1, 250)";
    app.parts().store.execute(old, &[&owner_id]).await.unwrap();

    app.advance(TimeDelta::days(KEPT_DAYS - 2)).await;
    let young = app.call(&AddParcel { owner_id, label: "Books".to_owned() }).await.unwrap();
    app.advance(TimeDelta::days(4)).await;

    eventually("only the young parcel", async || {
        let left = app.parts().store.query("select from parcels", &[]).await.unwrap().len();
        if left == 1 { Ok(()) } else { Err(format!("{left} left")) }
    })
    .await;
    app.call(&GetParcel { owner_id, parcel_id: young.parcel_id }).await.unwrap();
    eventually("an event for each of the others", async || match app.published::<ParcelRemoved>().await.len() {
        250 => Ok(()),
        count => Err(format!("{count} events")),
    })
    .await;
    app.finish().await;
}
