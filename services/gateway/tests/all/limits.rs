//! Limits on sizes and rates.

use reqwest::Method;
use serde_json::json;

use crate::gateway::{Gateway, Member, accounts, told};

#[tokio::test]
async fn an_account_that_asks_too_often_is_told_when_to_go_on() {
    let rates = [("rates", "per_account_per_minute", "60"), ("rates", "burst", "3")];
    let gateway = Gateway::start_with(&rates, accounts()).await;
    let (busy, quiet) = (Member::new(), Member::new());
    for _ in 0..3 {
        assert_eq!(gateway.get(&busy, "/api/v1/me").await.status(), 200);
    }

    let refused = gateway.get(&busy, "/api/v1/me").await;

    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["retry-after"], "1");
    assert_eq!(refused.headers()["ratelimit"], "\"requests\";r=0;t=1");
    assert_eq!(gateway.get(&quiet, "/api/v1/me").await.status(), 200);
    gateway.app.finish().await;
}

#[tokio::test]
async fn signing_in_is_counted_by_address_and_a_member_is_not() {
    let rates = [("rates", "per_address_per_minute", "60"), ("rates", "burst", "3")];
    let gateway = Gateway::start_with(&rates, accounts()).await;
    let guess = json!({ "email": "ada@example.org", "password": "a guess" });
    let sign_in = async || gateway.ask(Method::POST, "/api/v1/sessions").json(&guess).send().await.unwrap().status();
    for _ in 0..3 {
        assert_eq!(sign_in().await, 401);
    }

    assert_eq!(sign_in().await, 429);
    assert_eq!(gateway.get(&Member::new(), "/api/v1/me").await.status(), 200);
    gateway.app.finish().await;
}

#[tokio::test]
async fn a_body_may_have_64_kib() {
    let gateway = Gateway::start().await;
    let member = Member::new();
    let name = |bytes: usize| json!({ "name": "a".repeat(bytes) });

    let (large, too_large) = (name(60_000), name(70_000));

    assert_eq!(gateway.order(&member, Method::PATCH, "/api/v1/me", &large).await.0, 200);
    assert_eq!(gateway.order(&member, Method::PATCH, "/api/v1/me", &too_large).await.0, 413);
    gateway.app.finish().await;
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_too() {
    let gateway = Gateway::start().await;
    let member = Member::new();

    for (method, path, status) in [
        (Method::GET, "/api", 404),
        (Method::GET, "/api/v1/nothing", 404),
        (Method::GET, "/api/v1/contacts/not-an-id", 404),
        (Method::PUT, "/api/v1/me", 405),
        (Method::POST, "/index.html", 405),
    ] {
        let response = gateway.call_with(&member, method.clone(), path).send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "application/problem+json", "{path}");
        assert_eq!(told(response).await.0, status, "{method} {path}");
    }
    gateway.app.finish().await;
}
