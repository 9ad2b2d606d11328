//! How far lines have come is locked by who moves them on, and moves with the transaction.

use skeleton::{
    store::{Outbox, Transaction},
    testing::somebody,
};

use super::{
    bench::{Bench, QUEUE, behind},
    on_each_store,
};

on_each_store! {
    a_line_moves_with_its_transaction_and_others_wait_for_that
    a_line_that_was_not_moved_on_is_where_it_was
    what_is_behind_is_due_when_its_line_has_come_to_it
    what_a_person_drops_is_passed_over
}

fn line() -> Vec<String> {
    vec!["contacts 7".to_owned()]
}

async fn a_line_moves_with_its_transaction_and_others_wait_for_that<S: Outbox>(bench: Bench<S>) {
    let mut first = bench.begin(&[]).await;
    assert_eq!(first.lock_lines(&line()).await.unwrap(), [("contacts 7".to_owned(), 0)]);
    let mut second = bench.begin_elsewhere(&[]).await.unwrap();
    let waiting = tokio::spawn(async move {
        let locked = second.lock_lines(&line()).await;
        second.rollback().await;
        locked
    });

    first.advance_lines(&[("contacts 7".to_owned(), 1)]).await.unwrap();
    first.commit().await.unwrap();

    assert_eq!(waiting.await.unwrap().unwrap(), [("contacts 7".to_owned(), 1)]);
    bench.done().await;
}

async fn a_line_that_was_not_moved_on_is_where_it_was<S: Outbox>(bench: Bench<S>) {
    let mut given_up = bench.begin(&[]).await;
    given_up.lock_lines(&line()).await.unwrap();
    given_up.advance_lines(&[("contacts 7".to_owned(), 1)]).await.unwrap();
    given_up.rollback().await;

    let mut next = bench.begin(&[]).await;

    assert_eq!(next.lock_lines(&line()).await.unwrap(), [("contacts 7".to_owned(), 0)]);
    next.rollback().await;
    bench.done().await;
}

async fn what_is_behind_is_due_when_its_line_has_come_to_it<S: Outbox>(bench: Bench<S>) {
    let (second, third) = (behind("contacts 7", 2), behind("contacts 7", 3));
    let mut tx = bench.begin(&[]).await;
    tx.lock_lines(&line()).await.unwrap();
    tx.rollback().await;
    bench.store.set_aside(&second).await.unwrap();
    bench.store.set_aside(&third).await.unwrap();
    assert!(bench.store.due(QUEUE, 10).await.unwrap().is_empty());

    let mut tx = bench.begin(&[]).await;
    tx.lock_lines(&line()).await.unwrap();
    tx.advance_lines(&[("contacts 7".to_owned(), 1)]).await.unwrap();
    tx.commit().await.unwrap();

    assert_eq!(bench.store.due(QUEUE, 10).await.unwrap(), [second.message]);
    let mut tx = bench.begin(&[second.message]).await;
    assert_eq!(tx.take_waiting(second.message).await.unwrap().and_then(|kept| kept.place), second.place);
    tx.rollback().await;
    bench.done().await;
}

async fn what_a_person_drops_is_passed_over<S: Outbox>(bench: Bench<S>) {
    let (first, second) = (behind("contacts 7", 1), behind("contacts 7", 2));
    bench.store.set_aside(&first).await.unwrap();
    bench.store.set_aside(&second).await.unwrap();

    assert_eq!(bench.store.drop_parked(&[first.message], &somebody()).await.unwrap(), 1);

    assert_eq!(bench.store.due(QUEUE, 10).await.unwrap(), [second.message]);
    let mut tx = bench.begin(&[]).await;
    assert_eq!(tx.lock_lines(&line()).await.unwrap(), [("contacts 7".to_owned(), 1)]);
    tx.rollback().await;
    bench.done().await;
}
