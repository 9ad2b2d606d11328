//! An unreadable row is set aside, and the rows behind it are processed.

use chrono::{TimeDelta, Utc};
use contacts_events::{ContactRemoved, ImportFile};
use skeleton::{
    Elasticsearch, Neo4j, Postgres, Publish,
    store::{
        CursorsToCheck, Delay, Delays, Filter, Outbox, Store, Transaction,
        neo4j::{BoltType, query},
    },
    testing::Servers,
};
use uuid::Uuid;

use crate::conformance::bench::{Bench, QUEUE, elasticsearch, neo4j, postgres, waiting};

fn removed() -> ContactRemoved {
    ContactRemoved { contact_id: Uuid::new_v4(), ..contacts_events::samples::contact_removed() }
}

/// Corrupts the envelopes of the first row of the outbox and of the first delayed job.
trait Spoil: Delays<Tx: Delay> {
    async fn spoil(&self);
    /// The envelopes of the unreadable rows.
    async fn aside(&self) -> Vec<String>;
}

impl Spoil for Postgres {
    async fn spoil(&self) {
        let sql = "update skeleton.outbox set envelope = 'spoilt outbox' where position = (select min(position) from skeleton.outbox)";
        assert_eq!(self.execute(sql, &[]).await.unwrap(), 1);
        let sql = "update skeleton.delayed set envelope = 'spoilt delayed' where due_at = (select min(due_at) from skeleton.delayed)";
        assert_eq!(self.execute(sql, &[]).await.unwrap(), 1);
    }

    async fn aside(&self) -> Vec<String> {
        let sql = "select envelope from skeleton.unreadable order by envelope";
        self.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
    }
}

impl Spoil for Neo4j {
    async fn spoil(&self) {
        let spoilt = "MATCH (row:Outbox) WITH row ORDER BY row.position LIMIT 1 SET row.envelope = $envelope";
        self.execute(query(spoilt).param("envelope", BoltType::from("spoilt outbox"))).await.unwrap();
        let spoilt = "MATCH (row:Delayed) WITH row ORDER BY row.due_at LIMIT 1 SET row.envelope = $envelope";
        self.execute(query(spoilt).param("envelope", BoltType::from("spoilt delayed"))).await.unwrap();
    }

    async fn aside(&self) -> Vec<String> {
        self.query(query("MATCH (row:Unreadable) RETURN row.envelope AS envelope ORDER BY envelope")).await.unwrap()
    }
}

async fn comes_in_no_page_of_postponed_messages<S: Spoil>(bench: Bench<S>) {
    let mut tx = bench.begin(&[]).await;
    for _ in 0..3 {
        tx.publish(removed()).unwrap();
    }
    tx.enqueue_at(ImportFile { import_id: Uuid::new_v4(), position: 0 }, Utc::now()).await.unwrap();
    tx.commit().await.unwrap();
    let rows = bench.store.next(10).await.unwrap().unwrap();
    bench.store.postpone(&rows.iter().collect::<Vec<_>>()).await.unwrap();
    bench.store.spoil().await;

    let page = bench.store.postponed_of(&rows[0].route(), 0, 2).await.unwrap();

    let positions: Vec<i64> = page.iter().map(|row| row.position).collect();
    assert_eq!(positions, [rows[1].position, rows[2].position], "a page that is not full would count as the last");
    assert_eq!(bench.store.unreadable().await.unwrap(), 1);
    bench.done().await;
}

#[tokio::test]
async fn an_unreadable_row_comes_in_no_page_of_postponed_messages() {
    comes_in_no_page_of_postponed_messages(postgres().await).await;
}

#[tokio::test]
async fn an_unreadable_node_comes_in_no_page_of_postponed_messages() {
    comes_in_no_page_of_postponed_messages(neo4j().await).await;
}

async fn goes_on_behind_it<S: Spoil>(bench: Bench<S>) {
    let now = Utc::now();
    let mut tx = bench.begin(&[]).await;
    for _ in 0..3 {
        tx.publish(removed()).unwrap();
    }
    for position in 0..3 {
        let job = ImportFile { import_id: Uuid::new_v4(), position };
        tx.enqueue_at(job, now - TimeDelta::seconds(10 - i64::from(position))).await.unwrap();
    }
    tx.commit().await.unwrap();
    bench.store.spoil().await;

    let rows = bench.store.next(10).await.unwrap().unwrap();
    let mut tx = bench.begin(&[]).await;
    let due = tx.take_due(10).await.unwrap();
    tx.commit().await.unwrap();

    assert_eq!((rows.len(), due.len()), (2, 2));
    assert_eq!(bench.store.aside().await, ["spoilt delayed", "spoilt outbox"]);
    assert_eq!(bench.store.unreadable().await.unwrap(), 2);
    assert_eq!((bench.store.counts().await.unwrap().outbox, bench.store.delayed().await.unwrap()), (2, 0));
    bench.done().await;
}

#[tokio::test]
async fn in_postgres_what_is_behind_an_unreadable_row_goes_on() {
    goes_on_behind_it(postgres().await).await;
}

#[tokio::test]
async fn in_neo4j_what_is_behind_an_unreadable_row_goes_on() {
    goes_on_behind_it(neo4j().await).await;
}

#[tokio::test]
async fn in_postgres_an_unreadable_row_that_was_mended_goes_out() {
    let bench = postgres().await;
    let mut tx = bench.begin(&[]).await;
    let event = removed();
    tx.publish(event.clone()).unwrap();
    tx.commit().await.unwrap();
    let envelope = "select envelope from skeleton.outbox";
    let sound: String = bench.store.query(envelope, &[]).await.unwrap()[0].get(0);
    bench.store.execute("update skeleton.outbox set envelope = 'spoilt'", &[]).await.unwrap();
    assert!(bench.store.next(10).await.unwrap().unwrap().is_empty());

    // The repair from docs/operations.md.
    bench.store.execute("update skeleton.unreadable set envelope = $1", &[&sound]).await.unwrap();
    let back = "with mended as (delete from skeleton.unreadable where origin = 'outbox' returning *)
        insert into skeleton.outbox (position, exchange, routing_key, sequence, envelope, body, written_at)
        overriding system value
        select position, exchange, routing_key, sequence, envelope, body, written_at from mended";
    assert_eq!(bench.store.execute(back, &[]).await.unwrap(), 1);

    let rows = bench.store.next(10).await.unwrap().unwrap();
    assert_eq!((rows.len(), rows[0].envelope.sequence), (1, Some(1)));
    assert_eq!(rows[0].envelope.subject, Some(event.contact_id.to_string()));
    bench.done().await;
}

#[tokio::test]
async fn in_neo4j_a_delayed_job_with_a_missing_property_holds_nothing_up() {
    let bench = neo4j().await;
    let mut tx = bench.begin(&[]).await;
    for position in 0..3 {
        let job = ImportFile { import_id: Uuid::new_v4(), position };
        tx.enqueue_at(job, Utc::now() - TimeDelta::seconds(10 - i64::from(position))).await.unwrap();
    }
    tx.commit().await.unwrap();
    let spoilt = "MATCH (row:Delayed) WITH row ORDER BY row.due_at LIMIT 1 REMOVE row.body";
    bench.store.execute(query(spoilt)).await.unwrap();

    let mut tx = bench.begin(&[]).await;
    let due = tx.take_due(10).await.unwrap();
    tx.commit().await.unwrap();

    assert_eq!((due.len(), bench.store.unreadable().await.unwrap(), bench.store.delayed().await.unwrap()), (2, 1, 0));
    bench.done().await;
}

/// Corrupts the headers of a set-aside message.
trait SpoilHeaders: Store {
    async fn spoil_headers(&self, message: Uuid);
}

impl SpoilHeaders for Postgres {
    async fn spoil_headers(&self, message: Uuid) {
        let sql = "update skeleton.set_aside set headers = '[7]' where message_id = $1";
        assert_eq!(self.execute(sql, &[&message]).await.unwrap(), 1);
    }
}

impl SpoilHeaders for Neo4j {
    async fn spoil_headers(&self, message: Uuid) {
        let spoilt = query("MATCH (kept:SetAside {id: $id}) SET kept.headers = '[7]'").param("id", message.to_string());
        self.execute(spoilt).await.unwrap();
    }
}

impl SpoilHeaders for Elasticsearch {
    async fn spoil_headers(&self, message: Uuid) {
        let indices = format!("{}/search-conform-*-set-aside*", Servers::from_env().elasticsearch);
        reqwest::Client::new().post(format!("{indices}/_refresh")).send().await.unwrap();
        let spoilt = serde_json::json!({
            "query": { "term": { "message": message } },
            "script": "ctx._source.headers = ['a': ['b': 7]]; ctx._source.body = 'no base64'",
        });
        let answer = reqwest::Client::new()
            .post(format!("{indices}/_update_by_query?refresh=true"))
            .json(&spoilt)
            .send()
            .await
            .unwrap();
        let answer: serde_json::Value = answer.json().await.unwrap();
        assert_eq!(answer["updated"], 1, "{answer}");
    }
}

async fn can_be_listed_and_attempted<S: SpoilHeaders>(bench: Bench<S>) {
    let (spoilt, sound) = (waiting(), waiting());
    for message in [&spoilt, &sound] {
        bench.store.set_aside(message).await.unwrap();
    }
    bench.store.spoil_headers(spoilt.message).await;

    let listed = bench.store.list_set_aside(&Filter::default(), 10).await.unwrap();
    let due = bench.store.due(QUEUE, &CursorsToCheck::All, &[], 10).await.unwrap();
    let mut tx = bench.begin(&[spoilt.message]).await;
    let taken = tx.take_waiting(spoilt.message).await.unwrap();
    tx.rollback().await;

    assert_eq!((listed.len(), due.len()), (2, 2));
    assert!(listed.iter().any(|message| message.message == sound.message && message.headers == sound.headers));
    // The attempt parks it: its envelope is malformed.
    let taken = taken.unwrap();
    assert!(taken.envelope().is_err() && taken.headers["(unreadable)"].contains('7'), "{taken:?}");
    bench.done().await;
}

#[tokio::test]
async fn in_postgres_a_message_with_unreadable_headers_can_be_listed_and_attempted() {
    can_be_listed_and_attempted(postgres().await).await;
}

#[tokio::test]
async fn in_neo4j_a_message_with_unreadable_headers_can_be_listed_and_attempted() {
    can_be_listed_and_attempted(neo4j().await).await;
}

#[tokio::test]
async fn in_elasticsearch_a_message_with_unreadable_headers_can_be_listed_and_attempted() {
    can_be_listed_and_attempted(elasticsearch().await).await;
}
