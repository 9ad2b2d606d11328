//! One key, one order, one answer.

use std::sync::Arc;

use events::{contacts::AddContact, samples};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use skeleton::{Answers, Postgres};
use tokio::sync::Semaphore;

use crate::gateway::{Gateway, Heard, Member, contacts_of, told};

async fn add(gateway: &Gateway, member: &Member, key: &str, name: &str) -> Response {
    let request = gateway.ask_as(member, Method::POST, "/api/v1/contacts").header("idempotency-key", key);
    request.json(&json!({ "name": name })).send().await.unwrap()
}

#[tokio::test]
async fn the_same_order_under_one_key_is_done_once_and_answered_the_same() {
    let gateway = Gateway::start().await;
    let member = Member::new();
    let heard = Heard::<AddContact>::default();
    gateway.app.answered_by("contacts", contacts_of(member.account_id, heard.clone())).await;

    let first = add(&gateway, &member, "k1", "Zoë").await;
    let first_type = first.headers()["content-type"].clone();
    let first = told(first).await;
    let again = add(&gateway, &member, "k1", "Zoë").await;
    let again_type = again.headers()["content-type"].clone();

    assert_eq!(first.0, 201);
    assert_eq!((told(again).await, again_type), (first, first_type));
    assert_eq!(heard.lock().unwrap().len(), 1);
    gateway.app.finish().await;
}

#[tokio::test]
async fn another_order_under_the_same_key_is_refused() {
    let gateway = Gateway::start().await;
    let member = Member::new();
    gateway.app.answered_by("contacts", contacts_of(member.account_id, Heard::default())).await;
    add(&gateway, &member, "k1", "Zoë").await;

    let other_body = told(add(&gateway, &member, "k1", "Yan").await).await;
    let delete = gateway.ask_as(&member, Method::DELETE, "/api/v1/me").header("idempotency-key", "k1");
    let other_path = told(delete.send().await.unwrap()).await;

    for (status, problem) in [other_body, other_path] {
        assert_eq!((status, &problem["type"]), (422, &json!("urn:kith:problem:idempotency-key-reused")));
    }
    gateway.app.finish().await;
}

#[tokio::test]
async fn the_keys_of_two_members_have_nothing_to_do_with_each_other() {
    let gateway = Gateway::start().await;
    let (one, other) = (Member::new(), Member::new());
    let heard = Heard::<AddContact>::default();
    gateway.app.answered_by("contacts", contacts_of(one.account_id, heard.clone())).await;

    let first = told(add(&gateway, &one, "k1", "Zoë").await).await;
    let second = told(add(&gateway, &other, "k1", "Zoë").await).await;

    assert_eq!((first.0, second.0), (201, 201));
    assert_ne!(first.1["id"], second.1["id"]);
    let owners: Vec<_> = heard.lock().unwrap().iter().map(|contact| contact.account_id).collect();
    assert_eq!(owners, [one.account_id, other.account_id]);
    gateway.app.finish().await;
}

#[tokio::test]
async fn while_an_order_is_worked_on_the_same_one_has_to_wait() {
    let gateway = Gateway::start().await;
    let member = Member::new();
    let (come, go) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    gateway.app.answered_by("contacts", slow(come.clone(), go.clone())).await;

    let (first, meanwhile) = tokio::join!(add(&gateway, &member, "k1", "Zoë"), async {
        come.acquire().await.unwrap().forget();
        let meanwhile = add(&gateway, &member, "k1", "Zoë").await;
        go.add_permits(1);
        meanwhile
    });

    assert_eq!(first.status(), 201);
    assert_eq!((meanwhile.status().as_u16(), meanwhile.headers()["retry-after"].as_bytes()), (409, &b"1"[..]));
    assert_eq!(told(add(&gateway, &member, "k1", "Zoë").await).await, told(first).await);
    gateway.app.finish().await;
}

#[tokio::test]
async fn of_many_at_once_one_is_done_and_the_others_wait_or_get_its_answer() {
    let gateway = Gateway::start().await;
    let member = Member::new();
    let heard = Heard::<AddContact>::default();
    gateway.app.answered_by("contacts", contacts_of(member.account_id, heard.clone())).await;

    let all = futures::future::join_all((0..40).map(|_| add(&gateway, &member, "k1", "Zoë"))).await;

    let answers = futures::future::join_all(all.into_iter().map(told)).await;
    let (done, waiting): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(status, _)| *status == 201);
    assert!(!done.is_empty() && done.iter().all(|answer| *answer == done[0]), "{done:?}");
    assert!(waiting.iter().all(|(status, _)| *status == 409), "{waiting:?}");
    assert_eq!(heard.lock().unwrap().len(), 1);
    gateway.app.finish().await;
}

#[tokio::test]
async fn a_key_is_new_again_after_a_day() {
    let gateway = Gateway::start().await;
    let member = Member::new();
    gateway.app.answered_by("contacts", contacts_of(member.account_id, Heard::default())).await;
    let first = told(add(&gateway, &member, "k1", "Zoë").await).await;
    let sql = "update idempotency_keys set expires_at = now() - interval '1 second'";
    gateway.app.parts().store.execute(sql, &[]).await.unwrap();

    let next_day = told(add(&gateway, &member, "k1", "Yan").await).await;

    assert_eq!((first.0, next_day.0), (201, 201));
    assert_ne!(first.1["id"], next_day.1["id"]);
    gateway.app.finish().await;
}

#[tokio::test]
async fn after_trouble_the_same_order_is_given_again_under_the_same_id() {
    let gateway = Gateway::start().await;
    let member = Member::new();
    let failed = told(add(&gateway, &member, "k1", "Zoë").await).await;
    let once = Answers::new().write(|_: AddContact, _: &mut skeleton::store::postgres::Tx| async {
        Ok(events::contacts::ContactView { contact_id: uuid::Uuid::new_v4(), ..samples::contacts::contact_view() })
    });
    gateway.app.answered_by("contacts", once).await;

    let done = told(add(&gateway, &member, "k1", "Zoë").await).await;
    let sql = "update idempotency_keys set status = null, locked_until = now() - interval '1 second'";
    gateway.app.parts().store.execute(sql, &[]).await.unwrap();
    let after_a_crash = told(add(&gateway, &member, "k1", "Zoë").await).await;

    assert_eq!((failed.0, done.0), (503, 201));
    assert_eq!(after_a_crash, done);
    gateway.app.finish().await;
}

#[tokio::test]
async fn a_refusal_of_the_domain_is_the_same_again_and_one_of_the_form_is_not_kept() {
    let gateway = Gateway::start().await;
    let (owner, stranger) = (Member::new(), Member::new());
    gateway.app.answered_by("contacts", contacts_of(owner.account_id, Heard::default())).await;
    let path = format!("/api/v1/contacts/{}", uuid::Uuid::new_v4());
    let change = async |body: Value| {
        let request = gateway.ask_as(&stranger, Method::PATCH, &path).header("idempotency-key", "k1");
        told(request.json(&body).send().await.unwrap()).await.0
    };

    assert_eq!(change(json!({ "nmae": "Zoë" })).await, 422);
    assert_eq!(change(json!({ "name": "Zoë" })).await, 404);
    assert_eq!(change(json!({ "name": "Zoë" })).await, 404);
    assert_eq!(change(json!({ "name": "Yan" })).await, 422);
    gateway.app.finish().await;
}

#[tokio::test]
async fn a_key_must_be_one_and_nothing_of_a_password_can_be_tried_out() {
    let gateway = Gateway::start().await;
    let ada = json!({ "email": "ada@example.org", "password": "correct horse battery", "name": "Ada" });
    let register = async |key: &str| {
        let request = gateway.ask(Method::POST, "/api/v1/accounts").header("idempotency-key", key);
        told(request.json(&ada).send().await.unwrap()).await
    };

    assert_eq!(register(&"k".repeat(256)).await.0, 400);
    assert_eq!(register("").await.0, 400);
    assert_eq!(register("k1").await, register("k1").await);
    let rows = gateway.app.parts().store.query("select k::text from idempotency_keys k", &[]).await.unwrap();
    let row: String = rows[0].get(0);
    assert!(rows.len() == 1 && !row.contains("correct") && !row.contains("k1") && !row.contains("127.0.0.1"), "{row}");
    gateway.app.finish().await;
}

/// Says that it was asked, and answers when it may.
fn slow(come: Arc<Semaphore>, go: Arc<Semaphore>) -> Answers<Postgres> {
    Answers::new().read(move |_: AddContact, _| {
        let (come, go) = (come.clone(), go.clone());
        async move {
            come.add_permits(1);
            go.acquire().await.map_err(skeleton::Failure::bug)?.forget();
            Ok(samples::contacts::contact_view())
        }
    })
}
