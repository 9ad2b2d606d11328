//! Decisions about parked messages: the guarantees of all three stores, and their differences.

use serde_json::json;
use skeleton::{
    Elasticsearch, Neo4j, Postgres,
    store::{Act, Decision, Filter, Fingerprint, Group, SetAside, Signed, State, Store, neo4j::query},
    testing::{Servers, TestStore, somebody},
};
use uuid::Uuid;

use super::bench::{Bench, broken_data, data, hours_ago, parked};

fn signed() -> Signed {
    Signed::try_new("Zoë", "the producer is fixed").unwrap()
}

/// Guarantees of all stores.
async fn conforms<S: TestStore>(bench: Bench<S>) {
    filters_let_through_what_they_name(&bench).await;
    a_decision_is_carried_out_once_and_leaves_a_line(&bench).await;
    edited_data_takes_the_place_of_what_was_seen(&bench).await;
    the_trail_is_kept_as_long_as_it_should_be(&bench).await;
    bench.done().await;
}

async fn filters_let_through_what_they_name<S: TestStore>(bench: &Bench<S>) {
    let [oldest, odd, waiting] = bench
        .keep([
            SetAside { first_failed_at: hours_ago(9), ..parked() },
            SetAside {
                first_failed_at: hours_ago(5),
                attempts: 2,
                queue: "contacts.dead".to_owned(),
                name: "accounts.erased.v1".to_owned(),
                reason: "50% of (a*c?)".to_owned(),
                ..parked()
            },
            SetAside { first_failed_at: hours_ago(1), state: State::Waiting, ..parked() },
        ])
        .await;
    let all = vec![oldest.message, odd.message, waiting.message];
    let filters = [
        (Filter::default(), all.clone()),
        (Filter::default().in_state(State::Parked), all[..2].to_vec()),
        (Filter::of(odd.message), vec![odd.message]),
        (Filter { name: Some(odd.name.clone()), ..Filter::default() }, vec![odd.message]),
        (Filter { subject: oldest.subject.clone(), ..Filter::default() }, vec![oldest.message]),
        (Filter { reason: Some("of (a*c?".to_owned()), ..Filter::default() }, vec![odd.message]),
        (Filter { reason: Some("of (abc".to_owned()), ..Filter::default() }, vec![]),
        (Filter { queue: Some("contacts.dead".to_owned()), ..Filter::default() }, vec![odd.message]),
        (Filter { since: Some(odd.first_failed_at), ..Filter::default() }, all[1..].to_vec()),
        (Filter { until: Some(odd.first_failed_at), ..Filter::default() }, all[..1].to_vec()),
        (Filter { since: Some(hours_ago(6)), until: Some(hours_ago(4)), ..Filter::default() }, vec![odd.message]),
        (Filter { attempts: Some(3), ..Filter::default() }, vec![oldest.message, waiting.message]),
        (Filter { state: Some(State::Waiting), ..Filter::default() }, vec![waiting.message]),
    ];

    for (filter, expected) in filters {
        let listed = bench.store.list_set_aside(&filter, 10).await.unwrap();
        assert_eq!(listed.iter().map(|message| message.message).collect::<Vec<_>>(), expected, "{filter:?}");
        assert_eq!(bench.store.ids_of(&filter, 10).await.unwrap(), expected, "{filter:?}");
    }
    assert_eq!(bench.store.ids_of(&Filter::default(), 1).await.unwrap(), all[..1]);
    let groups = bench.store.groups_of(&Filter::default(), 10).await.unwrap();
    let group =
        |message: &SetAside, messages| Group { name: message.name.clone(), reason: message.reason.clone(), messages };
    assert_eq!(groups, [group(&oldest, 2), group(&odd, 1)]);
    assert_eq!(bench.store.groups_of(&Filter::default(), 1).await.unwrap(), [group(&oldest, 2)]);
}

async fn a_decision_is_carried_out_once_and_leaves_a_line<S: TestStore>(bench: &Bench<S>) {
    let [redriven, dropped, waiting] = bench
        .keep([parked(), SetAside { subject: None, ..parked() }, SetAside { state: State::Waiting, ..parked() }])
        .await;
    let (store, unknown) = (&bench.store, Uuid::new_v4());

    assert_eq!(store.redrive(&[redriven.message, waiting.message, unknown], &signed()).await.unwrap(), 1);
    assert_eq!(store.redrive(&[redriven.message], &signed()).await.unwrap(), 0);
    assert_eq!(store.drop_parked(&[dropped.message, redriven.message, unknown], &somebody()).await.unwrap(), 1);
    assert_eq!(store.drop_parked(&[], &somebody()).await.unwrap(), 0);

    let found = store.list_set_aside(&Filter::of(redriven.message), 1).await.unwrap().remove(0);
    assert_eq!((found.state, found.attempts), (State::Waiting, 0));
    assert_eq!((&found.body, &found.headers, &found.reason), (&redriven.body, &redriven.headers, &redriven.reason));
    assert!(store.list_set_aside(&Filter::of(dropped.message), 1).await.unwrap().is_empty());
    for (message, act, by) in [(&redriven, Act::Redriven, signed()), (&dropped, Act::Dropped, somebody())] {
        let trail = store.trail(Some(message.message), 10).await.unwrap();
        assert_eq!(trail, [line_about(message, act, &by, trail[0].decided_at)]);
        assert!(trail[0].decided_at > hours_ago(1));
    }
    assert!(store.trail(Some(waiting.message), 10).await.unwrap().is_empty());
}

fn line_about(message: &SetAside, act: Act, by: &Signed, decided_at: chrono::DateTime<chrono::Utc>) -> Decision {
    Decision {
        decided_at,
        decided_by: by.by().to_owned(),
        act,
        note: by.note().map(str::to_owned),
        message: message.message,
        queue: message.queue.clone(),
        name: message.name.clone(),
        subject: message.subject.clone(),
        reason: message.reason.clone(),
        data_before: None,
    }
}

async fn edited_data_takes_the_place_of_what_was_seen<S: TestStore>(bench: &Bench<S>) {
    let [message, waiting] = bench.keep([parked(), SetAside { state: State::Waiting, ..parked() }]).await;
    let (store, good) = (&bench.store, data().to_string().into_bytes());

    assert!(store.edit(&message, &good, &signed()).await.unwrap());
    assert!(!store.edit(&message, b"{}", &signed()).await.unwrap(), "it was changed concurrently");
    assert!(!store.edit(&waiting, &good, &signed()).await.unwrap(), "it is not parked");
    assert!(!store.edit(&parked(), &good, &signed()).await.unwrap(), "it does not exist");

    let edited = store.list_set_aside(&Filter::of(message.message), 1).await.unwrap();
    assert_eq!(edited, [SetAside { body: good, ..message.clone() }]);
    let trail = store.trail(Some(message.message), 10).await.unwrap();
    let data_before = Some(Fingerprint::of(broken_data().to_string().as_bytes()));
    let line = line_about(&message, Act::Edited, &signed(), trail[0].decided_at);
    assert_eq!(trail, [Decision { data_before, ..line }]);
    assert!(!json!(trail).to_string().contains("zoe@example.org"));
}

async fn the_trail_is_kept_as_long_as_it_should_be<S: TestStore>(bench: &Bench<S>) {
    let (store, all) = (&bench.store, bench.store.trail(None, 10).await.unwrap());
    assert_eq!(all.len(), 3);
    assert!(all.is_sorted_by(|newer, older| newer.decided_at >= older.decided_at));
    assert_eq!(store.trail(None, 1).await.unwrap(), all[..1]);

    assert_eq!(store.forget_decisions(hours_ago(1), 10).await.unwrap(), 0);
    assert_eq!(store.forget_decisions(all[0].decided_at, 1).await.unwrap(), 1);
    assert_eq!(store.forget_decisions(all[0].decided_at, 10).await.unwrap(), 1);

    assert_eq!(store.trail(None, 10).await.unwrap(), all[..1]);
}

#[tokio::test]
async fn postgres_keeps_what_is_decided() {
    conforms(Bench::new(Postgres::migrated_by(&[])).await).await;
}

#[tokio::test]
async fn neo4j_keeps_what_is_decided() {
    conforms(Bench::new(Neo4j::migrated_by(&[])).await).await;
}

#[tokio::test]
async fn elasticsearch_keeps_what_is_decided() {
    conforms(Bench::new(Elasticsearch::indexed_by(&[])).await).await;
}

/// Eight concurrent decisions about the same messages: each message is decided once, and the trail shows it.
async fn of_many_one_decides<S: TestStore>(bench: Bench<S>) {
    let messages = bench.keep([parked(), parked(), parked()]).await.map(|message| message.message);
    let mut reversed = messages;
    reversed.reverse();

    let deciding = (0..8).map(|number| {
        let store = bench.store.clone();
        tokio::spawn(async move {
            let messages = if number % 2 == 0 { messages } else { reversed };
            // A decision that conflicts with another fails completely and reports it.
            if number < 4 {
                store.redrive(&messages, &signed()).await
            } else {
                store.drop_parked(&messages, &signed()).await
            }
        })
    });
    let mut decided = 0;
    for outcome in futures::future::join_all(deciding).await {
        decided += outcome.unwrap().unwrap_or(0);
    }

    assert_eq!(decided, 3);
    assert_eq!(bench.store.trail(None, 100).await.unwrap().len(), 3);
    bench.done().await;
}

#[tokio::test]
async fn of_many_who_decide_at_once_one_does_in_postgres() {
    of_many_one_decides(Bench::new(Postgres::migrated_by(&[])).await).await;
}

#[tokio::test]
async fn of_many_who_decide_at_once_one_does_in_neo4j() {
    of_many_one_decides(Bench::new(Neo4j::migrated_by(&[])).await).await;
}

/// Whether a message is still parked unchanged, and no decision was recorded.
async fn is_untouched<S: Store>(store: &S, message: &SetAside) -> bool {
    store.list_set_aside(&Filter::of(message.message), 1).await.unwrap() == [message.clone()]
}

/// Whether each of the three decisions fails.
async fn cannot_decide<S: Store>(store: &S, message: &SetAside) -> [bool; 3] {
    [
        store.redrive(&[message.message], &signed()).await.is_err(),
        store.drop_parked(&[message.message], &signed()).await.is_err(),
        store.edit(message, b"{}", &signed()).await.is_err(),
    ]
}

#[tokio::test]
async fn what_cannot_be_written_to_the_trail_is_not_done_in_postgres() {
    let bench = Bench::new(Postgres::migrated_by(&[])).await;
    let [message] = bench.keep([parked()]).await;
    bench.store.execute("alter table skeleton.decisions add check (decided_by <> 'Zoë')", &[]).await.unwrap();

    assert_eq!(cannot_decide(&bench.store, &message).await, [true; 3]);

    assert!(is_untouched(&bench.store, &message).await);
    bench.done().await;
}

#[tokio::test]
async fn what_cannot_be_written_to_the_trail_is_not_done_in_neo4j() {
    let bench = Bench::new(Neo4j::migrated_by(&[])).await;
    let [message] = bench.keep([parked()]).await;
    let once = "CREATE CONSTRAINT one_decision FOR (decision:ParkedDecision) REQUIRE decision.decided_by IS UNIQUE";
    bench.store.execute(query("CREATE (:ParkedDecision {decided_by: 'Zoë', decided_at: datetime()})")).await.unwrap();
    bench.store.execute(query(once)).await.unwrap();

    let refused = cannot_decide(&bench.store, &message).await;

    // Before any assertion, so that later tests find the schema intact.
    bench.store.execute(query("DROP CONSTRAINT one_decision")).await.unwrap();
    assert_eq!(refused, [true; 3]);
    assert!(is_untouched(&bench.store, &message).await);
    bench.done().await;
}

#[tokio::test]
async fn what_cannot_be_written_to_the_trail_is_not_done_in_elasticsearch() {
    let bench = Bench::new(Elasticsearch::indexed_by(&[])).await;
    let [message] = bench.keep([parked()]).await;
    let index = format!("{}-decisions-v1", bench.provisioned.name);
    let block = format!("{}/{index}/_block/write", Servers::from_env().elasticsearch);
    assert!(reqwest::Client::new().put(block).send().await.unwrap().status().is_success());

    assert_eq!(cannot_decide(&bench.store, &message).await, [true; 3]);

    assert!(is_untouched(&bench.store, &message).await);
    bench.done().await;
}
