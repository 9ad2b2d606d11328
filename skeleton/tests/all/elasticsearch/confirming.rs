//! A confirmation is published once a message is handled: after the writes, at least once, under the same id.

use accounts_events::Erased;
use search_events::AccountDataErased;
use serde_json::json;
use skeleton::{
    Elasticsearch, HandlerResult, Index, Service, Subscriptions,
    store::{Store, Transaction},
    testing::{TestApp, eventually},
};
use uuid::Uuid;

use super::bench::{FIRST, Thing};

fn service() -> Service<Elasticsearch> {
    let subscriptions = Subscriptions::new().on(on_erased);
    Service::named("search").read_model_store(Elasticsearch::indexed_by(FIRST)).consumes(subscriptions)
}

async fn on_erased(erased: Erased, index: &mut Index) -> HandlerResult {
    let (account_id, erased_at) = (erased.account_id, erased.erased_at);
    index.erase_and_confirm(account_id, move |removed| AccountDataErased { account_id, erased_at, removed })
}

async fn put(app: &TestApp<Elasticsearch>, owner_id: Uuid, count: usize) {
    let mut index = app.parts().store.begin(&app.parts().service, &[]).await.unwrap();
    for number in 0..count {
        let thing = Thing { owner_id, name: format!("thing {number}"), size: json!(1) };
        index.put(Uuid::new_v4(), 1, &thing).unwrap();
    }
    index.commit().await.unwrap();
}

/// The ids of the confirmations, once there are this many.
async fn ids(app: &TestApp<Elasticsearch>, count: usize) -> Vec<Uuid> {
    eventually(&format!("{count} confirmations"), async || {
        let confirmations = app.published_in::<AccountDataErased>().await;
        let ids: Vec<Uuid> = confirmations.iter().map(|(envelope, _)| envelope.id).collect();
        if ids.len() >= count { Ok(ids) } else { Err(format!("{} came", ids.len())) }
    })
    .await
}

#[tokio::test]
async fn an_erasure_is_confirmed_with_what_it_removed_and_a_repeat_is_the_same_event() {
    let app = TestApp::start(service(), &[]).await;
    let erased = Erased { account_id: Uuid::new_v4(), ..accounts_events::samples::erased() };
    put(&app, erased.account_id, 7).await;
    let envelope = app.world().envelope_for(&erased);

    assert_eq!(app.receives_in(&erased, &envelope).await.outcome, "done");
    let (first, confirmed) = app.published_once_in::<AccountDataErased>(|_| true).await;
    assert_eq!((confirmed.account_id, confirmed.removed), (erased.account_id, 7));
    assert_eq!((first.causation_id, first.sequence, first.subject), (Some(envelope.id), None, None));
    assert_eq!(first.trace.unwrap().trace_id, envelope.trace.unwrap().trace_id);

    // As after a crash between the confirmation and the acknowledgement.
    app.receives_in(&erased, &envelope).await;
    assert_eq!(ids(&app, 2).await, [first.id, first.id]);
    // A redelivered message is confirmed again.
    app.receives(&erased).await;
    let ids = ids(&app, 3).await;
    assert!(ids[2] != first.id, "{ids:?}");
    let removed: Vec<u64> = app.published::<AccountDataErased>().await.iter().map(|event| event.removed).collect();
    assert_eq!(removed, [7, 0, 0]);
    app.stop().await;
}
