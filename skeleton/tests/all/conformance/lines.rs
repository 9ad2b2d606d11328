//! The transaction that advances a subject cursor locks it, and the cursor moves when the transaction commits.

use skeleton::{
    store::{CursorsToCheck, Outbox, SetAside, Store, Transaction},
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
    of_what_is_behind_only_the_lines_asked_for_are_looked_at
}

fn line() -> Vec<String> {
    vec!["contacts 7".to_owned()]
}

async fn a_line_moves_with_its_transaction_and_others_wait_for_that<S: Outbox>(bench: Bench<S>) {
    let mut first = bench.begin(&[]).await;
    assert_eq!(first.lock_cursors(&line()).await.unwrap(), [("contacts 7".to_owned(), 0)]);
    let mut second = bench.begin_elsewhere(&[]).await.unwrap();
    let waiting = tokio::spawn(async move {
        let locked = second.lock_cursors(&line()).await;
        second.rollback().await;
        locked
    });

    first.advance_cursors(&[("contacts 7".to_owned(), 1)]).await.unwrap();
    first.commit().await.unwrap();

    assert_eq!(waiting.await.unwrap().unwrap(), [("contacts 7".to_owned(), 1)]);
    bench.done().await;
}

async fn a_line_that_was_not_moved_on_is_where_it_was<S: Outbox>(bench: Bench<S>) {
    let mut given_up = bench.begin(&[]).await;
    given_up.lock_cursors(&line()).await.unwrap();
    given_up.advance_cursors(&[("contacts 7".to_owned(), 1)]).await.unwrap();
    given_up.rollback().await;

    let mut next = bench.begin(&[]).await;

    assert_eq!(next.lock_cursors(&line()).await.unwrap(), [("contacts 7".to_owned(), 0)]);
    next.rollback().await;
    bench.done().await;
}

async fn what_is_behind_is_due_when_its_line_has_come_to_it<S: Outbox>(bench: Bench<S>) {
    let (second, third) = (behind("contacts 7", 2), behind("contacts 7", 3));
    let mut tx = bench.begin(&[]).await;
    tx.lock_cursors(&line()).await.unwrap();
    tx.rollback().await;
    bench.store.set_aside(&second).await.unwrap();
    bench.store.set_aside(&third).await.unwrap();
    assert!(bench.store.due(QUEUE, &CursorsToCheck::All, &[], 10).await.unwrap().is_empty());

    let mut tx = bench.begin(&[]).await;
    tx.lock_cursors(&line()).await.unwrap();
    tx.advance_cursors(&[("contacts 7".to_owned(), 1)]).await.unwrap();
    tx.commit().await.unwrap();

    assert_eq!(bench.store.due(QUEUE, &CursorsToCheck::All, &[], 10).await.unwrap(), [second.message]);
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

    assert_eq!(bench.store.due(QUEUE, &CursorsToCheck::All, &[], 10).await.unwrap(), [second.message]);
    let mut tx = bench.begin(&[]).await;
    assert_eq!(tx.lock_cursors(&line()).await.unwrap(), [("contacts 7".to_owned(), 1)]);
    tx.rollback().await;
    bench.done().await;
}

async fn of_what_is_behind_only_the_lines_asked_for_are_looked_at<S: Outbox>(bench: Bench<S>) {
    let (line, other) = ("contacts 7".to_owned(), "contacts 8".to_owned());
    let messages = [behind(&line, 2), behind(&line, 3), behind(&other, 2)];
    for message in &messages {
        bench.store.set_aside(message).await.unwrap();
    }
    let mut tx = bench.begin(&[]).await;
    tx.lock_cursors(&[line.clone(), other.clone()]).await.unwrap();
    tx.advance_cursors(&[(line.clone(), 1), (other.clone(), 1)]).await.unwrap();
    tx.commit().await.unwrap();
    let due = async |lines: &[&String], except: &[String]| {
        let lines = CursorsToCheck::These(lines.iter().map(|line| (*line).clone()).collect());
        bench.store.due(QUEUE, &lines, except, 10).await.unwrap()
    };

    assert!(due(&[], &[]).await.is_empty());
    assert_eq!(due(&[&line], &[]).await, [messages[0].message]);
    assert_eq!(due(&[&line, &other], &[]).await.len(), 2);
    assert!(due(&[&line, &other], &[messages[0].name.clone()]).await.is_empty());
    assert_eq!(bench.store.due(QUEUE, &CursorsToCheck::All, &[], 10).await.unwrap().len(), 2);
    bench.done().await;
}

/// Thousands may wait behind a parked message: a poll reads those whose predecessor was handled, not all that wait.
#[tokio::test]
async fn a_look_at_a_line_reads_only_the_messages_whose_turn_it_is() {
    let bench = super::bench::postgres().await;
    let SetAside { queue, name, .. } = behind("contacts 7", 2);
    let many = "insert into skeleton.set_aside
        select gen_random_uuid(), $1, $2, 's', '{}', '', 'behind', 0, now(), '', now(), now(), 'contacts 7', number + 2
        from generate_series(1, 20000) as number";
    bench.store.execute(many, &[&queue, &name]).await.unwrap();
    bench.store.execute("insert into skeleton.lines values ('contacts 7', 1)", &[]).await.unwrap();
    bench.store.execute("analyze skeleton.set_aside", &[]).await.unwrap();
    let fastest = async |lines: &CursorsToCheck| {
        let mut fastest = std::time::Duration::MAX;
        for _ in 0..30 {
            let began = std::time::Instant::now();
            assert!(bench.store.due(QUEUE, lines, &[], 64).await.unwrap().is_empty());
            fastest = fastest.min(began.elapsed());
        }
        fastest
    };

    let all = fastest(&CursorsToCheck::All).await;
    let moved = fastest(&CursorsToCheck::These(vec!["contacts 7".to_owned()])).await;

    assert!(moved * 3 < all, "{moved:?} for the line, {all:?} for all that wait");
    bench.done().await;
}
