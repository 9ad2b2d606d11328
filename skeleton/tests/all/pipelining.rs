//! Tests of statements that a handler does not wait for, on a real Postgres.

use skeleton::{
    Postgres,
    store::{Store, Transaction, postgres::Tx},
    testing::TestApp,
};
use uuid::Uuid;

use crate::probe;

const INSERT: &str = "insert into effects (contact_id, times) values ($1, 0)";

async fn begin(app: &TestApp<Postgres>) -> Tx {
    app.parts().store.begin(&app.parts().service, &[]).await.unwrap()
}

async fn times(app: &TestApp<Postgres>, contact: Uuid) -> Option<i32> {
    let row = app.parts().store.query_opt("select times from effects where contact_id = $1", &[&contact]).await;
    row.unwrap().map(|row| row.get(0))
}

#[tokio::test]
async fn what_is_sent_later_is_seen_by_the_next_statement() {
    let app = TestApp::start(probe::service(), &[]).await;
    let contact = Uuid::new_v4();
    let mut tx = begin(&app).await;

    tx.execute_later(INSERT, &[&contact]).await.unwrap();
    let row = tx.query_one("select times from effects where contact_id = $1", &[&contact]).await.unwrap();

    assert_eq!(row.get::<_, i32>(0), 0);
    tx.rollback().await;
    assert_eq!(times(&app, contact).await, None);
    app.finish().await;
}

#[tokio::test]
async fn many_statements_sent_later_keep_their_order_and_are_all_in_the_commit() {
    let app = TestApp::start(probe::service(), &[]).await;
    let contact = Uuid::new_v4();
    let mut tx = begin(&app).await;

    tx.execute_later(INSERT, &[&contact]).await.unwrap();
    for expected in 0..200 {
        let sql = "update effects set times = times + 1 where contact_id = $1 and times = $2";
        tx.execute_later(sql, &[&contact, &expected]).await.unwrap();
    }
    tx.commit().await.unwrap();

    assert_eq!(times(&app, contact).await, Some(200));
    app.finish().await;
}

#[tokio::test]
async fn a_statement_sent_later_that_fails_lets_the_commit_fail_and_nothing_stays() {
    let app = TestApp::start(probe::service(), &[]).await;
    let (one, other) = (Uuid::new_v4(), Uuid::new_v4());
    let mut tx = begin(&app).await;

    for contact in [one, other, one] {
        tx.execute_later(INSERT, &[&contact]).await.unwrap();
    }
    let error = tx.commit().await.unwrap_err();

    assert!(error.to_string().contains("duplicate key"), "{error}");
    assert_eq!((times(&app, one).await, times(&app, other).await), (None, None));
    app.finish().await;
}

#[tokio::test]
async fn a_failure_that_a_handler_takes_no_notice_of_lets_the_commit_fail() {
    let app = TestApp::start(probe::service(), &[]).await;
    let contact = Uuid::new_v4();
    let mut tx = begin(&app).await;

    tx.execute(INSERT, &[&contact]).await.unwrap();
    assert!(tx.execute(INSERT, &[&contact]).await.is_err());
    let error = tx.commit().await.unwrap_err();

    assert!(error.to_string().contains("it cannot be committed"), "{error}");
    assert_eq!(times(&app, contact).await, None);
    app.finish().await;
}

#[tokio::test]
async fn a_transaction_without_a_statement_commits_and_is_undone_like_any_other() {
    let app = TestApp::start(probe::service(), &[("store", "connections", "1")]).await;

    for _ in 0..3 {
        begin(&app).await.commit().await.unwrap();
        begin(&app).await.rollback().await;
    }

    assert_eq!(times(&app, Uuid::new_v4()).await, None);
    app.finish().await;
}

#[tokio::test]
async fn parameters_that_do_not_fit_are_refused_at_once() {
    let app = TestApp::start(probe::service(), &[]).await;
    let mut tx = begin(&app).await;

    assert!(tx.execute_later(INSERT, &[]).await.is_err());
    assert!(tx.execute_later(INSERT, &[&"no uuid"]).await.is_err());

    tx.rollback().await;
    app.finish().await;
}
