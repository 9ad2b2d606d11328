//! The life cycle of a set-aside message in a store without transactions.

use chrono::{SubsecRound, TimeDelta, Utc};
use skeleton::{
    Environment, ServiceContext,
    store::{CursorsToCheck, Filter, SetAside, State, Store, Transaction},
};
use uuid::Uuid;

use super::bench::{Bench, Same, Standing};
use crate::conformance::{QUEUE, waiting};

#[tokio::test]
async fn a_message_taken_out_is_gone_with_the_commit_and_not_before() {
    let bench = Bench::new().await;
    let kept = waiting();
    bench.store.set_aside(&kept).await.unwrap();

    let mut given_up = bench.begin().await;
    let taken = given_up.take_waiting(kept.message).await.unwrap().unwrap();
    // The server's clock decides when it is due.
    assert_eq!(taken, SetAside { due_at: taken.due_at, ..kept.clone() });
    given_up.rollback().await;
    let mut first = bench.begin().await;
    let mut second = bench.begin().await;
    assert!(first.take_waiting(kept.message).await.unwrap().is_some());
    assert!(second.take_waiting(kept.message).await.unwrap().is_some());
    first.commit().await.unwrap();
    second.commit().await.unwrap();

    assert!(bench.begin().await.take_waiting(kept.message).await.unwrap().is_none());
    assert!(bench.store.due(QUEUE, &CursorsToCheck::All, &[], 64).await.unwrap().is_empty());
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

/// The service's clock is an hour slow or fast: only the server's clock measures waits.
#[tokio::test]
async fn when_a_message_is_due_does_not_depend_on_the_clock_of_the_service() {
    let bench = Bench::new().await;
    for skew in [TimeDelta::hours(-1), TimeDelta::hours(1)] {
        let now = (Utc::now() + skew).trunc_subsecs(6);
        let service = std::sync::Arc::new(ServiceContext::new("search", Environment::new(Standing(now), Same)));
        let failed = || SetAside { first_failed_at: now, last_failed_at: now, ..waiting() };
        let due = SetAside { due_at: now, ..failed() };
        let later = SetAside { due_at: now + TimeDelta::minutes(10), ..failed() };
        bench.store.set_aside(&due).await.unwrap();
        bench.store.set_aside(&later).await.unwrap();

        let found = bench.store.due(QUEUE, &CursorsToCheck::All, &[], 64).await.unwrap();
        let mut index = bench.store.begin(&service, &[]).await.unwrap();
        let taken = index.take_waiting(due.message).await.unwrap();
        let not_due = index.take_waiting(later.message).await.unwrap();
        index.commit().await.unwrap();

        assert_eq!(found, [due.message], "{skew}");
        assert!(taken.is_some() && not_due.is_none(), "{skew}: {taken:?} {not_due:?}");
    }
    bench.done().await;
}

#[tokio::test]
async fn a_redriven_message_is_due_at_once() {
    let bench = Bench::new().await;
    let parked = SetAside { state: State::Parked, due_at: Utc::now() + TimeDelta::hours(1), ..waiting() };
    bench.store.set_aside(&parked).await.unwrap();

    let somebody = skeleton::testing::somebody();
    let redriven =
        skeleton::store::Decisions::redrive(&bench.store, &[parked.message, Uuid::new_v4()], &somebody).await;

    assert_eq!(redriven.unwrap(), 1);
    assert_eq!(bench.store.due(QUEUE, &CursorsToCheck::All, &[], 64).await.unwrap(), [parked.message]);
    bench.done().await;
}
