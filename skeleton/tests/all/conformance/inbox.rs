//! Each message is handled in exactly one committed transaction.

use skeleton::store::{Outbox, Transaction};
use uuid::Uuid;

use super::{
    bench::{Bench, removed},
    on_each_store,
};
use skeleton::Publish;

on_each_store! {
    of_two_transactions_with_the_same_message_one_handles_it
    who_waits_for_a_transaction_that_is_given_up_handles_the_message
    what_is_taken_in_and_not_committed_is_new_again
    a_transaction_that_is_dropped_leaves_nothing_and_holds_nobody_up
    the_first_reply_to_a_request_is_kept
}

async fn of_two_transactions_with_the_same_message_one_handles_it<S: Outbox>(bench: Bench<S>) {
    let message = Uuid::new_v4();
    let first = bench.begin(&[message]).await;
    let second = bench.begin_elsewhere(&[message]);

    let first_is_new = first.is_new(message);
    first.commit().await.unwrap();
    let second = second.await.unwrap();

    assert_eq!((first_is_new, second.is_new(message)), (true, false));
    second.rollback().await;
    bench.done().await;
}

async fn who_waits_for_a_transaction_that_is_given_up_handles_the_message<S: Outbox>(bench: Bench<S>) {
    let message = Uuid::new_v4();
    let first = bench.begin(&[message]).await;
    let second = bench.begin_elsewhere(&[message]);

    first.rollback().await;
    let second = second.await.unwrap();

    assert!(second.is_new(message));
    second.commit().await.unwrap();
    bench.done().await;
}

async fn what_is_taken_in_and_not_committed_is_new_again<S: Outbox>(bench: Bench<S>) {
    let messages: Vec<Uuid> = (0..64).map(|_| Uuid::new_v4()).collect();

    bench.begin(&messages).await.rollback().await;
    let again = bench.begin(&messages).await;

    assert!(messages.iter().all(|message| again.is_new(*message)));
    again.rollback().await;
    bench.done().await;
}

async fn a_transaction_that_is_dropped_leaves_nothing_and_holds_nobody_up<S: Outbox<Tx: Publish>>(bench: Bench<S>) {
    let (message, line) = (Uuid::new_v4(), "contacts 7".to_owned());
    let mut dropped = bench.begin(&[message]).await;
    dropped.lock_cursors(std::slice::from_ref(&line)).await.unwrap();
    dropped.advance_cursors(&[(line.clone(), 4)]).await.unwrap();
    dropped.publish(removed(message)).unwrap();

    drop(dropped);
    let mut next = bench.begin(&[message]).await;

    assert!(next.is_new(message));
    assert_eq!(next.lock_cursors(std::slice::from_ref(&line)).await.unwrap(), [(line, 0)]);
    next.commit().await.unwrap();
    assert_eq!(bench.store.counts().await.unwrap().outbox, 0);
    bench.done().await;
}

async fn the_first_reply_to_a_request_is_kept<S: Outbox>(bench: Bench<S>) {
    let request = Uuid::new_v4();
    let mut tx = bench.begin(&[request]).await;
    assert_eq!(tx.first_reply(request).await.unwrap(), None);
    tx.keep_reply(request, b"{\"ok\":true}").await.unwrap();
    tx.commit().await.unwrap();

    let mut again = bench.begin(&[request]).await;

    assert!(!again.is_new(request));
    assert_eq!(again.first_reply(request).await.unwrap().as_deref(), Some(&b"{\"ok\":true}"[..]));
    again.rollback().await;
    bench.done().await;
}
