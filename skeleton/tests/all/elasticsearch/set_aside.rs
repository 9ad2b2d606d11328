//! The life of a message that has to wait, where there are no transactions.

use skeleton::store::{Filter, SetAside, State, Store, Transaction};

use super::bench::Bench;
use crate::conformance::{QUEUE, waiting};

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
    assert!(bench.store.due(QUEUE, 64).await.unwrap().is_empty());
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
