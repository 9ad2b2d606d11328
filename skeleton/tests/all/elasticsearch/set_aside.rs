//! The life of a message that has to wait.

use std::collections::BTreeMap;

use chrono::{SubsecRound, Utc};
use skeleton::{
    store::{Counts, Decisions, Filter, SetAside, State, Store, Transaction},
    testing::somebody,
};
use uuid::Uuid;

use super::bench::Bench;

fn waiting() -> SetAside {
    let (message, now) = (Uuid::new_v4(), Utc::now().trunc_subsecs(6));
    SetAside {
        message,
        queue: "search.events".to_owned(),
        name: "contacts.contact-added.v1".to_owned(),
        subject: Some("a subject".to_owned()),
        headers: BTreeMap::from([("cloudEvents:id".to_owned(), message.to_string())]),
        body: vec![b'{', 0xff, 0, b'}'],
        place: None,
        state: State::Waiting,
        attempts: 1,
        due_at: now - chrono::Duration::seconds(1),
        reason: "the account 50% (a*c?) is not known \\ yet".to_owned(),
        first_failed_at: now,
        last_failed_at: now,
    }
}

#[tokio::test]
async fn a_message_waits_is_parked_is_redriven_and_is_dropped() {
    let bench = Bench::new().await;
    let (store, kept) = (&bench.store, waiting());
    let later = SetAside { due_at: kept.due_at + chrono::Duration::hours(1), ..waiting() };
    store.set_aside(&kept).await.unwrap();
    store.set_aside(&later).await.unwrap();

    assert_eq!(store.due("search.events", 64).await.unwrap(), [kept.message]);
    assert!(store.due("search.dead", 64).await.unwrap().is_empty());
    assert_eq!(store.failures_of(kept.message).await.unwrap(), 1);
    assert_eq!(store.failures_of(Uuid::new_v4()).await.unwrap(), 0);

    let parked = SetAside {
        state: State::Parked,
        attempts: 5,
        first_failed_at: Utc::now() + chrono::Duration::hours(2),
        ..kept.clone()
    };
    store.set_aside(&parked).await.unwrap();
    let listed = store.list_set_aside(&Filter { id: Some(kept.message), ..Filter::default() }, 10).await.unwrap();

    assert_eq!(listed, [SetAside { first_failed_at: kept.first_failed_at, ..parked }]);
    assert_eq!(store.counts().await.unwrap(), Counts { waiting: 1, parked: 1, ..Counts::default() });
    assert!(bench.begin().await.take_waiting(kept.message).await.unwrap().is_none());

    assert_eq!(store.redrive(&[kept.message, later.message], &somebody()).await.unwrap(), 1);
    assert_eq!(store.due("search.events", 64).await.unwrap(), [kept.message]);
    assert_eq!(store.failures_of(kept.message).await.unwrap(), 0);

    store.set_aside(&SetAside { state: State::Parked, ..kept.clone() }).await.unwrap();
    assert_eq!(store.drop_parked(&[kept.message, later.message], &somebody()).await.unwrap(), 1);
    assert_eq!(store.counts().await.unwrap(), Counts { waiting: 1, ..Counts::default() });
    bench.done().await;
}

#[tokio::test]
async fn a_message_taken_out_is_gone_with_the_commit_and_not_before() {
    let bench = Bench::new().await;
    let kept = waiting();
    bench.store.set_aside(&kept).await.unwrap();

    let mut given_up = bench.begin().await;
    assert_eq!(given_up.take_waiting(kept.message).await.unwrap(), Some(kept.clone()));
    given_up.rollback().await;
    let mut first = bench.begin().await;
    let mut second = bench.begin().await;
    assert!(first.take_waiting(kept.message).await.unwrap().is_some());
    assert!(second.take_waiting(kept.message).await.unwrap().is_some());
    first.commit().await.unwrap();
    second.commit().await.unwrap();

    assert!(bench.begin().await.take_waiting(kept.message).await.unwrap().is_none());
    assert!(bench.store.due("search.events", 64).await.unwrap().is_empty());
    bench.done().await;
}

#[tokio::test]
async fn a_message_that_failed_again_meanwhile_is_not_taken_out() {
    let bench = Bench::new().await;
    let kept = waiting();
    bench.store.set_aside(&kept).await.unwrap();
    let mut slow = bench.begin().await;
    slow.take_waiting(kept.message).await.unwrap();

    bench.store.set_aside(&SetAside { attempts: 2, ..kept.clone() }).await.unwrap();
    slow.commit().await.unwrap();

    assert_eq!(bench.store.failures_of(kept.message).await.unwrap(), 2);
    bench.done().await;
}

#[tokio::test]
async fn a_filter_lets_through_what_it_names_and_long_lists_come_whole() {
    let bench = Bench::new().await;
    let messages: Vec<SetAside> = (0..230).map(|_| waiting()).collect();
    for message in &messages {
        bench.store.set_aside(message).await.unwrap();
    }
    let odd = SetAside {
        name: "accounts.erased.v1".to_owned(),
        reason: "plain".to_owned(),
        state: State::Parked,
        ..waiting()
    };
    bench.store.set_aside(&odd).await.unwrap();
    let filters = [
        (Filter::default(), 231),
        (Filter { name: Some("accounts.erased.v1".to_owned()), ..Filter::default() }, 1),
        (Filter { state: Some(State::Waiting), ..Filter::default() }, 230),
        (Filter { subject: Some("a subject".to_owned()), ..Filter::default() }, 231),
        (Filter { subject: Some("another".to_owned()), ..Filter::default() }, 0),
        (Filter { reason: Some("50% (a*c?) is not known \\ ".to_owned()), ..Filter::default() }, 230),
        (Filter { reason: Some("50% (abc?)".to_owned()), ..Filter::default() }, 0),
    ];

    for (filter, expected) in filters {
        let listed = bench.store.list_set_aside(&filter, 1000).await.unwrap();

        assert_eq!(listed.len(), expected, "{filter:?}");
        assert!(listed.is_sorted_by_key(|message| message.first_failed_at));
    }
    assert_eq!(bench.store.list_set_aside(&Filter::default(), 120).await.unwrap().len(), 120);
    bench.done().await;
}
