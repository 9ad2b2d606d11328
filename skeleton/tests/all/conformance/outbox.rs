//! Events commit with their transaction, are numbered, and are sent in order by one replica at a time; delayed jobs are
//! sent when due.

use chrono::{TimeDelta, Utc};
use contacts_events::{ContactRemoved, ImportFile};
use skeleton::{
    Publish,
    store::{Delay, Delays, Outbox, OutboxRow, Store, Transaction},
    testing::eventually,
};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::{
    bench::{Bench, numbers_of, postgres, removed},
    on_each_store,
};

on_each_store! {
    what_is_published_is_in_the_outbox_with_the_commit_and_not_before
    the_outbox_keeps_a_message_as_it_was_until_it_is_removed
    eight_writers_at_once_give_each_subject_its_numbers_in_the_order_of_the_outbox
    eight_writers_of_one_event_each_give_one_subject_its_numbers_in_the_order_of_the_outbox
    what_is_postponed_is_passed_over_until_it_is_readmitted
    a_relay_that_stops_lets_another_go_on_at_once
    who_does_not_relay_removes_nothing
    a_delayed_job_is_taken_out_when_it_is_due_by_one
    a_delayed_job_that_is_cancelled_is_gone
}

async fn what_is_published_is_in_the_outbox_with_the_commit_and_not_before<S: Outbox<Tx: Publish>>(bench: Bench<S>) {
    let mut tx = bench.begin(&[]).await;
    tx.publish(removed(Uuid::nil())).unwrap();
    let before = bench.store.next(10).await.unwrap().unwrap().len();

    tx.commit().await.unwrap();

    assert_eq!((before, bench.store.next(10).await.unwrap().unwrap().len()), (0, 1));
    bench.done().await;
}

async fn the_outbox_keeps_a_message_as_it_was_until_it_is_removed<S: Outbox<Tx: Publish>>(bench: Bench<S>) {
    let began = Utc::now();
    bench.publish(&[Uuid::nil(), Uuid::max()]).await;

    let rows = bench.store.next(10).await.unwrap().unwrap();
    let counts = bench.store.counts().await.unwrap();
    bench.store.remove(&[rows[0].position]).await.unwrap();

    assert_eq!((rows[0].exchange.as_str(), rows[0].routing_key.as_str()), ("events.contacts", "contact-removed.v1"));
    assert_eq!(serde_json::from_slice::<ContactRemoved>(&rows[0].body).unwrap().contact_id, Uuid::nil());
    assert!(rows[0].envelope.time - began < TimeDelta::seconds(5));
    assert!(counts.outbox == 2 && counts.outbox_age_seconds < 10.0, "{counts:?}");
    let left: Vec<i64> = bench.store.next(10).await.unwrap().unwrap().iter().map(|row| row.position).collect();
    assert_eq!(left, [rows[1].position]);
    bench.done().await;
}

async fn eight_writers_at_once_give_each_subject_its_numbers_in_the_order_of_the_outbox<S: Outbox<Tx: Publish>>(
    bench: Bench<S>,
) {
    let subjects: Vec<Uuid> = (0..3).map(|_| Uuid::new_v4()).collect();
    let mut writers = JoinSet::new();
    for writer in 0..8 {
        let (store, service, subjects) = (bench.store.clone(), bench.service.clone(), subjects.clone());
        writers.spawn(async move {
            for turn in 0..10 {
                let mut tx = store.begin(&service, &[Uuid::new_v4()]).await.unwrap();
                for place in 0..4 {
                    tx.publish(removed(subjects[(writer + turn + place) % 3])).unwrap();
                }
                // It has a subject but is not an event, so it gets no sequence.
                tx.enqueue(ImportFile { import_id: subjects[0], position: 9 }).unwrap();
                tx.commit().await.unwrap();
            }
        });
    }
    writers.join_all().await;

    let rows = bench.store.next(1000).await.unwrap().unwrap();

    assert_eq!(rows.len(), 400);
    assert!(rows.is_sorted_by_key(|row| row.position));
    let events: Vec<_> = rows.into_iter().filter(|row| row.exchange == "events.contacts").collect();
    let numbers = subjects.iter().map(|subject| numbers_of(&events, *subject));
    for numbers in numbers {
        assert_eq!(numbers, (1..=numbers.len() as i64).collect::<Vec<_>>());
    }
    bench.done().await;
}

async fn eight_writers_of_one_event_each_give_one_subject_its_numbers_in_the_order_of_the_outbox<
    S: Outbox<Tx: Publish>,
>(
    bench: Bench<S>,
) {
    let subject = Uuid::new_v4();
    let mut writers = JoinSet::new();
    for _ in 0..8 {
        let (store, service) = (bench.store.clone(), bench.service.clone());
        writers.spawn(async move {
            let publish = async || {
                let mut tx = store.begin(&service, &[]).await?;
                tx.publish(removed(subject)).unwrap();
                tx.commit().await
            };
            for _ in 0..40 {
                // A busy server may answer too late: then the event may be published twice, each time with its own
                // sequence.
                while publish().await.is_err() {}
            }
        });
    }
    writers.join_all().await;

    let rows = bench.store.next(1000).await.unwrap().unwrap();

    assert!(rows.is_sorted_by_key(|row| row.position));
    assert!(rows.len() >= 320, "{}", rows.len());
    assert_eq!(numbers_of(&rows, subject), (1..=rows.len() as i64).collect::<Vec<_>>());
    bench.done().await;
}

#[tokio::test]
async fn the_next_sequence_is_that_of_the_first_event_of_the_transaction() {
    let (bench, subject) = (postgres().await, Uuid::new_v4());
    let mut writers = JoinSet::new();
    for _ in 0..8 {
        let (store, service) = (bench.store.clone(), bench.service.clone());
        writers.spawn(async move {
            for _ in 0..20 {
                let mut tx = store.begin(&service, &[]).await.unwrap();
                let next = tx.next_sequence(subject).await.unwrap();
                for number in [next, next + 1] {
                    let owner_id = Uuid::from_u128(number.unsigned_abs().into());
                    tx.publish(ContactRemoved { owner_id, ..removed(subject) }).unwrap();
                }
                tx.commit().await.unwrap();
            }
        });
    }
    writers.join_all().await;

    let rows = bench.store.next(1000).await.unwrap().unwrap();

    let told = |row: &OutboxRow| serde_json::from_slice::<ContactRemoved>(&row.body).unwrap().owner_id.as_u128();
    assert_eq!(rows.iter().map(told).collect::<Vec<_>>(), (1..=320).collect::<Vec<_>>());
    assert_eq!(numbers_of(&rows, subject), (1..=320).collect::<Vec<_>>());
    bench.done().await;
}

async fn what_is_postponed_is_passed_over_until_it_is_readmitted<S: Outbox<Tx: Publish>>(bench: Bench<S>) {
    bench.publish(&[Uuid::nil(), Uuid::max(), Uuid::nil(), Uuid::max()]).await;
    let positions = |rows: &[OutboxRow]| rows.iter().map(|row| row.position).collect::<Vec<_>>();
    let rows = bench.store.next(10).await.unwrap().unwrap();
    let (all, route, keys) = (positions(&rows), rows[0].route(), [rows[0].ordering_key(), rows[1].ordering_key()]);

    bench.store.postpone(&[&rows[0], &rows[2]]).await.unwrap();

    let left = bench.store.next(10).await.unwrap().unwrap();
    assert_eq!(positions(&left), [all[1], all[3]]);
    assert_eq!(bench.store.counts().await.unwrap().outbox, 4);
    assert_eq!(bench.store.first_postponed(&keys).await.unwrap(), [(keys[0], all[0])].into());
    assert_eq!(bench.store.postponed().await.unwrap(), [(route.clone(), 2)].into());
    assert_eq!(positions(&bench.store.postponed_of(&route, 0, 10).await.unwrap()), [all[0], all[2]]);
    assert_eq!(positions(&bench.store.postponed_of(&route, 0, 1).await.unwrap()), [all[0]]);
    assert_eq!(positions(&bench.store.postponed_of(&route, all[0], 10).await.unwrap()), [all[2]]);
    bench.store.remove(&positions(&left)).await.unwrap();
    assert!(bench.store.next(10).await.unwrap().unwrap().is_empty());
    assert_eq!(bench.store.readmit(&route, 1).await.unwrap(), [all[0]]);
    assert_eq!(positions(&bench.store.next(10).await.unwrap().unwrap()), [all[0]]);
    assert_eq!(bench.store.readmit(&route, 10).await.unwrap(), [all[2]]);
    assert_eq!(positions(&bench.store.next(10).await.unwrap().unwrap()), [all[0], all[2]]);
    assert!(bench.store.postponed().await.unwrap().is_empty());
    bench.done().await;
}

async fn a_relay_that_stops_lets_another_go_on_at_once<S: Outbox>(bench: Bench<S>) {
    assert!(bench.store.next(10).await.unwrap().is_some());
    assert!(bench.other.next(10).await.unwrap().is_none());

    bench.store.release_leadership().await;

    eventually("the other replica relays", async || match bench.other.next(10).await.unwrap() {
        Some(_) => Ok(()),
        None => Err("the first replica relays".to_owned()),
    })
    .await;
    assert!(bench.store.next(10).await.unwrap().is_none());
    bench.done().await;
}

async fn who_does_not_relay_removes_nothing<S: Outbox<Tx: Publish>>(bench: Bench<S>) {
    bench.publish(&[Uuid::nil()]).await;
    let rows = bench.store.next(10).await.unwrap().unwrap();

    assert!(bench.other.remove(&[rows[0].position]).await.is_err());

    assert_eq!(bench.store.counts().await.unwrap().outbox, 1);
    bench.done().await;
}

async fn a_delayed_job_is_taken_out_when_it_is_due_by_one<S: Delays<Tx: Delay>>(bench: Bench<S>) {
    let job = |position| ImportFile { import_id: Uuid::nil(), position };
    let mut tx = bench.begin(&[]).await;
    let late = tx.enqueue_at(job(1), Utc::now() + TimeDelta::hours(1)).await.unwrap();
    let due = tx.enqueue_at(job(2), Utc::now() - TimeDelta::seconds(1)).await.unwrap();
    tx.commit().await.unwrap();
    assert!(bench.store.until_due().await.unwrap().unwrap().is_zero());

    let mut first = bench.begin(&[]).await;
    let taken: Vec<Uuid> = first.take_due(10).await.unwrap().iter().map(|message| message.envelope.id).collect();
    let mut second = bench.begin_elsewhere(&[]).await.unwrap();
    let second = tokio::spawn(async move {
        let taken = second.take_due(10).await;
        second.rollback().await;
        taken
    });
    first.commit().await.unwrap();
    // It finds nothing, or a conflict.
    let taken_by_second = second.await.unwrap().map_or(0, |taken| taken.len());

    assert_eq!((taken, taken_by_second), (vec![due], 0));
    assert_eq!(bench.store.delayed().await.unwrap(), 1);
    assert!(bench.store.until_due().await.unwrap().unwrap() > std::time::Duration::from_secs(3000));
    let mut tx = bench.begin(&[]).await;
    assert!(tx.cancel(late).await.unwrap());
    tx.commit().await.unwrap();
    bench.done().await;
}

async fn a_delayed_job_that_is_cancelled_is_gone<S: Delays<Tx: Delay>>(bench: Bench<S>) {
    let mut tx = bench.begin(&[]).await;
    let job = ImportFile { import_id: Uuid::nil(), position: 0 };
    let id = tx.enqueue_at(job, Utc::now() - TimeDelta::seconds(1)).await.unwrap();
    tx.commit().await.unwrap();

    let mut given_up = bench.begin(&[]).await;
    assert!(given_up.cancel(id).await.unwrap());
    given_up.rollback().await;
    let mut tx = bench.begin(&[]).await;
    assert!(tx.cancel(id).await.unwrap());
    tx.commit().await.unwrap();

    let mut tx = bench.begin(&[]).await;
    assert!(!tx.cancel(id).await.unwrap());
    assert!(tx.take_due(10).await.unwrap().is_empty());
    tx.rollback().await;
    bench.done().await;
}
