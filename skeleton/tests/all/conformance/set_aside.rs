//! The life cycle of a set-aside message, in every store.

use chrono::{TimeDelta, Utc};
use skeleton::{
    store::{Counts, CursorsToCheck, Filter, Outbox, SetAside, State, Store, Transaction},
    testing::somebody,
};
use uuid::Uuid;

use super::{
    bench::{Bench, QUEUE, waiting},
    on_each_store,
};

on_each_store! {
    a_message_waits_is_parked_is_redriven_and_is_dropped
    what_is_not_due_is_not_taken_out
    what_is_taken_out_stays_where_the_transaction_is_given_up
    of_two_that_want_a_waiting_message_one_gets_it
    messages_of_a_name_can_be_left_out_of_what_is_due
    what_was_handled_without_it_is_forgotten_and_what_is_parked_is_not
    the_largest_texts_that_the_skeleton_keeps_and_naughty_ones_are_kept_as_they_are
}

mod elasticsearch {
    #[tokio::test]
    async fn a_message_waits_is_parked_is_redriven_and_is_dropped() {
        let bench = crate::conformance::bench::elasticsearch().await;
        super::a_message_waits_is_parked_is_redriven_and_is_dropped(bench).await;
    }

    #[tokio::test]
    async fn what_is_not_due_is_not_taken_out() {
        super::what_is_not_due_is_not_taken_out(crate::conformance::bench::elasticsearch().await).await;
    }

    #[tokio::test]
    async fn what_is_taken_out_stays_where_the_transaction_is_given_up() {
        let bench = crate::conformance::bench::elasticsearch().await;
        super::what_is_taken_out_stays_where_the_transaction_is_given_up(bench).await;
    }

    #[tokio::test]
    async fn messages_of_a_name_can_be_left_out_of_what_is_due() {
        super::messages_of_a_name_can_be_left_out_of_what_is_due(crate::conformance::bench::elasticsearch().await)
            .await;
    }

    #[tokio::test]
    async fn what_was_handled_without_it_is_forgotten_and_what_is_parked_is_not() {
        let bench = crate::conformance::bench::elasticsearch().await;
        super::what_was_handled_without_it_is_forgotten_and_what_is_parked_is_not(bench).await;
    }

    #[tokio::test]
    async fn the_largest_texts_that_the_skeleton_keeps_and_naughty_ones_are_kept_as_they_are() {
        let bench = crate::conformance::bench::elasticsearch().await;
        super::the_largest_texts_that_the_skeleton_keeps_and_naughty_ones_are_kept_as_they_are(bench).await;
    }
}

async fn a_message_waits_is_parked_is_redriven_and_is_dropped<S: Store>(bench: Bench<S>) {
    let (store, kept) = (&bench.store, waiting());
    let later = SetAside { due_at: kept.due_at + TimeDelta::hours(1), ..waiting() };
    store.set_aside(&kept).await.unwrap();
    store.set_aside(&later).await.unwrap();

    assert_eq!(store.due(QUEUE, &CursorsToCheck::All, &[], 64).await.unwrap(), [kept.message]);
    assert!(store.due("contacts.dead", &CursorsToCheck::All, &[], 64).await.unwrap().is_empty());
    assert_eq!(store.failures_of(kept.message).await.unwrap(), 1);
    assert_eq!(store.failures_of(Uuid::new_v4()).await.unwrap(), 0);

    // Updates an existing one, except its first failure time.
    let first_failed_at = kept.first_failed_at + TimeDelta::hours(2);
    let parked =
        SetAside { state: State::Parked, attempts: 5, reason: "no".to_owned(), first_failed_at, ..kept.clone() };
    store.set_aside(&parked).await.unwrap();
    let listed = store.list_set_aside(&Filter::of(kept.message), 10).await.unwrap();
    assert_eq!(listed, [SetAside { first_failed_at: kept.first_failed_at, ..parked }]);
    assert_eq!(store.counts().await.unwrap(), Counts { waiting: 1, parked: 1, ..Counts::default() });
    let mut tx = bench.begin(&[]).await;
    assert!(tx.take_waiting(kept.message).await.unwrap().is_none());
    tx.rollback().await;

    assert_eq!(store.redrive(&[kept.message, later.message, Uuid::new_v4()], &somebody()).await.unwrap(), 1);
    assert_eq!(store.due(QUEUE, &CursorsToCheck::All, &[], 64).await.unwrap(), [kept.message]);
    assert_eq!(store.failures_of(kept.message).await.unwrap(), 0);
    assert_eq!(store.drop_parked(&[kept.message], &somebody()).await.unwrap(), 0, "it waits again");
    let mut tx = bench.begin(&[kept.message]).await;
    let taken = tx.take_waiting(kept.message).await.unwrap().unwrap();
    assert_eq!((taken.attempts, taken.body, taken.headers), (0, kept.body.clone(), kept.headers.clone()));
    tx.commit().await.unwrap();
    assert_eq!(store.counts().await.unwrap(), Counts { waiting: 1, ..Counts::default() });

    store.set_aside(&SetAside { state: State::Parked, ..kept.clone() }).await.unwrap();
    assert_eq!(store.drop_parked(&[kept.message, later.message], &somebody()).await.unwrap(), 1);
    assert_eq!(store.counts().await.unwrap(), Counts { waiting: 1, ..Counts::default() });
    bench.done().await;
}

async fn what_is_not_due_is_not_taken_out<S: Store>(bench: Bench<S>) {
    let kept = SetAside { due_at: Utc::now() + TimeDelta::hours(1), ..waiting() };
    bench.store.set_aside(&kept).await.unwrap();

    let mut tx = bench.begin(&[kept.message]).await;

    assert!(tx.take_waiting(kept.message).await.unwrap().is_none());
    tx.rollback().await;
    bench.done().await;
}

async fn what_is_taken_out_stays_where_the_transaction_is_given_up<S: Store>(bench: Bench<S>) {
    let kept = waiting();
    bench.store.set_aside(&kept).await.unwrap();

    let mut given_up = bench.begin(&[kept.message]).await;
    let taken = given_up.take_waiting(kept.message).await.unwrap().unwrap();
    // The server's clock decides when it is due.
    assert_eq!(taken, SetAside { due_at: taken.due_at, ..kept.clone() });
    given_up.rollback().await;

    assert_eq!(bench.store.due(QUEUE, &CursorsToCheck::All, &[], 64).await.unwrap(), [kept.message]);
    let mut tx = bench.begin(&[kept.message]).await;
    assert!(tx.take_waiting(kept.message).await.unwrap().is_some());
    tx.commit().await.unwrap();
    assert!(bench.store.due(QUEUE, &CursorsToCheck::All, &[], 64).await.unwrap().is_empty());
    bench.done().await;
}

async fn of_two_that_want_a_waiting_message_one_gets_it<S: Outbox>(bench: Bench<S>) {
    let kept = waiting();
    bench.store.set_aside(&kept).await.unwrap();
    let mut first = bench.begin(&[]).await;
    assert!(first.take_waiting(kept.message).await.unwrap().is_some());
    let mut second = bench.begin_elsewhere(&[]).await.unwrap();
    let second = tokio::spawn(async move {
        let taken = second.take_waiting(kept.message).await;
        second.rollback().await;
        taken
    });

    first.commit().await.unwrap();

    // It finds nothing, or a conflict.
    assert_eq!(second.await.unwrap().unwrap_or(None), None);
    bench.done().await;
}

async fn messages_of_a_name_can_be_left_out_of_what_is_due<S: Store>(bench: Bench<S>) {
    let (kept, other) = (waiting(), SetAside { name: "accounts.erased.v1".to_owned(), ..waiting() });
    bench.store.set_aside(&kept).await.unwrap();
    bench.store.set_aside(&other).await.unwrap();

    for lines in [CursorsToCheck::All, CursorsToCheck::These(Vec::new())] {
        let due = bench.store.due(QUEUE, &lines, std::slice::from_ref(&kept.name), 64).await.unwrap();
        assert_eq!(due, [other.message]);
        let both = [kept.name.clone(), other.name.clone()];
        assert!(bench.store.due(QUEUE, &lines, &both, 64).await.unwrap().is_empty());
    }
    bench.done().await;
}

async fn what_was_handled_without_it_is_forgotten_and_what_is_parked_is_not<S: Store>(bench: Bench<S>) {
    let (noted, parked) = (waiting(), SetAside { state: State::Parked, ..waiting() });
    bench.store.set_aside(&noted).await.unwrap();
    bench.store.set_aside(&parked).await.unwrap();

    for message in [noted.message, parked.message, Uuid::new_v4()] {
        bench.store.forget_waiting(message).await.unwrap();
    }

    assert_eq!(bench.store.list_set_aside(&Filter::default(), 10).await.unwrap(), [parked]);
    bench.done().await;
}

/// Strings that have caused trouble elsewhere, if available.
fn naughty() -> Vec<String> {
    let text = skeleton::testing::test_data("fuzz/blns.json").and_then(|path| std::fs::read_to_string(path).ok());
    text.map(|text| serde_json::from_str(&text).unwrap()).unwrap_or_default()
}

async fn the_largest_texts_that_the_skeleton_keeps_and_naughty_ones_are_kept_as_they_are<S: Store>(bench: Bench<S>) {
    let long = |letter: &str, bytes: usize| letter.repeat(bytes / letter.len());
    let mut texts = vec![
        (long("n", events::MAX_ATTRIBUTE), long("r", 8 * 1024)),
        (long("😀", events::MAX_ATTRIBUTE), long("😀", 8 * 1024)),
    ];
    texts.extend(naughty().into_iter().filter(|text| !text.contains('\0')).map(|text| (text.clone(), text)));

    for (name, reason) in texts {
        let place = Some(skeleton::messaging::order::SequencePosition { line: format!("accounts {name}"), number: 1 });
        let kept = SetAside {
            subject: Some(name.clone()),
            headers: [("x".to_owned(), reason.clone())].into(),
            name,
            reason: reason.clone(),
            stack: Some(reason),
            place,
            state: State::Parked,
            ..waiting()
        };

        bench.store.set_aside(&kept).await.unwrap();

        let listed = bench.store.list_set_aside(&Filter::of(kept.message), 10).await.unwrap();
        // Elasticsearch stores no sequence positions.
        let place = listed[0].place.clone();
        assert_eq!(listed, [SetAside { place, ..kept }]);
    }
    bench.done().await;
}
