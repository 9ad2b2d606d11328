//! What the skeleton promises about requests, on a real broker and a real Postgres.

use std::time::Duration;

use events::{
    contacts::{AddContact, ChangeContact, GetContact},
    samples,
};
use skeleton::{Asking, testing::TestApp};
use uuid::Uuid;

use crate::probe;

#[tokio::test]
async fn a_question_gets_its_answer_or_a_problem() {
    let app = TestApp::start(probe::service(), &[]).await;
    let id = Uuid::new_v4();
    let missing = app.ask(&GetContact { contact_id: id, account_id: id }).await.unwrap_err();
    assert_eq!((missing.status, missing.detail.as_str()), (404, "there is no such contact"));

    app.ask(&ChangeContact { contact_id: id, ..samples::contacts::change_contact() }).await.unwrap();

    assert_eq!(app.ask(&GetContact { contact_id: id, account_id: id }).await.unwrap().name, "1");
    app.finish().await;
}

#[tokio::test]
async fn a_client_that_has_only_just_started_gets_its_replies() {
    let app = TestApp::start(probe::service(), &[]).await;
    let id = Uuid::new_v4();

    for _ in 0..5 {
        let requests = app.world().requests_of("gateway", &["contacts"]).await;
        let asked = requests.ask(&GetContact { contact_id: id, account_id: id }, Asking::default()).await;
        assert_eq!(asked.unwrap_err().status, 404);
    }
    app.finish().await;
}

#[tokio::test]
async fn an_order_given_twice_under_one_id_is_followed_once_and_gets_its_first_reply() {
    let app = TestApp::start(probe::service(), &[]).await;
    let order = ChangeContact { contact_id: Uuid::new_v4(), ..samples::contacts::change_contact() };
    let asking = Asking { id: Some(Uuid::new_v4()), ..Asking::default() };

    let first = app.ask_as(&order, asking).await.unwrap();
    let second = app.ask_as(&order, asking).await.unwrap();

    assert_eq!((first.name.as_str(), second.name.as_str()), ("1", "1"));
    assert_eq!(app.ask(&order).await.unwrap().name, "2");
    app.finish().await;
}

#[tokio::test]
async fn a_request_that_nobody_answers_fails_at_once() {
    let app = TestApp::start(probe::service(), &[]).await;
    let order: AddContact = samples::contacts::add_contact();
    let asked = tokio::time::timeout(Duration::from_secs(5), app.ask(&order));

    let problem = asked.await.expect("at once, not at the deadline").unwrap_err();

    assert_eq!(problem.status, 503);
    app.finish().await;
}

#[tokio::test]
async fn many_questions_at_once_each_get_their_own_answer() {
    let app = TestApp::start(probe::service(), &[]).await;
    let ids: Vec<Uuid> = (0..50).map(|_| Uuid::new_v4()).collect();
    for id in &ids[..25] {
        app.ask(&ChangeContact { contact_id: *id, ..samples::contacts::change_contact() }).await.unwrap();
    }

    let questions: Vec<_> = ids.iter().map(|id| GetContact { contact_id: *id, account_id: *id }).collect();
    let answers = futures::future::join_all(questions.iter().map(|question| app.ask(question))).await;

    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 25);
    assert!(answers[..25].iter().all(Result::is_ok));
    app.finish().await;
}
