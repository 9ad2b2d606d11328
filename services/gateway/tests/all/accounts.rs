//! Registering, signing in, and the caller's account.

use reqwest::{Method, header::CONTENT_TYPE};
use serde_json::{Value, json};

use crate::gateway::{Gateway, Member, told};

#[tokio::test]
async fn a_visitor_registers_signs_in_and_sees_their_account() {
    let gateway = Gateway::start().await;
    let ada = json!({ "email": "ada@example.org", "password": "correct horse battery", "name": "Ada Lovelace" });

    let registered = told(gateway.ask(Method::POST, "/api/v1/accounts").json(&ada).send().await.unwrap()).await;
    let login = json!({ "email": "ada@example.org", "password": "correct horse battery" });
    let signed_in = told(gateway.ask(Method::POST, "/api/v1/sessions").json(&login).send().await.unwrap()).await;
    let member = Member::new();
    let (status, me) = told(gateway.get(&member, "/api/v1/me").await).await;

    let account = json!({
        "id": "7c0f3c1e-3b1f-4f0e-9d0a-5b8f6a1d2c33", "email": "ada@example.org", "name": "Ada Lovelace",
        "discoverable": false, "nameable": false, "created_at": "2026-11-01T09:30:00Z",
    });
    let tokens = json!({
        "access_token": "eyJhbGciOiJFZERTQSJ9.e30.c2ln", "token_type": "Bearer", "expires_in": 900,
        "refresh_token": "vT3l0b7iV6nq",
    });
    assert_eq!(registered, (201, account));
    assert_eq!(signed_in, (200, tokens));
    assert_eq!((status, me["id"].as_str()), (200, Some(member.account_id.to_string().as_str())));
    gateway.app.finish().await;
}

#[tokio::test]
async fn a_refusal_of_a_service_is_passed_on_as_it_is() {
    let gateway = Gateway::start().await;
    let login = json!({ "email": "ada@example.org", "password": "a guess" });

    let response = gateway.ask(Method::POST, "/api/v1/sessions").json(&login).send().await.unwrap();

    assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
    let (status, problem) = told(response).await;
    assert_eq!((status, &problem["type"]), (401, &json!("urn:kith:problem:wrong-credentials")));
    gateway.app.finish().await;
}

#[tokio::test]
async fn a_wrong_body_is_refused_with_its_place_and_nobody_is_asked() {
    let gateway = Gateway::start().await;
    let member = Member::new();
    let send = async |content_type: &str, body: &str| {
        let request = gateway.call_with(&member, Method::PATCH, "/api/v1/me").header(CONTENT_TYPE, content_type);
        let (status, problem) = told(request.body(body.to_owned()).send().await.unwrap()).await;
        (status, problem["errors"][0]["field"].clone())
    };
    let json = "application/json";

    assert_eq!(send(json, "{").await, (400, Value::Null));
    assert_eq!(send("text/plain", "{}").await, (415, Value::Null));
    assert_eq!(send(json, r#"{"role": "admin"}"#).await, (422, json!("role")));
    assert_eq!(send(json, r#"{"verified": true}"#).await, (422, json!("verified")));
    assert_eq!(send(json, r#"{"nameable": "yes"}"#).await, (422, json!("nameable")));
    assert_eq!(send(json, r#"{"password": {"current": "a"}}"#).await, (422, json!("password.new")));
    assert_eq!(send(json, r#"{"name": "Ada"}"#).await, (200, Value::Null));
    gateway.app.finish().await;
}

#[tokio::test]
async fn registering_takes_no_more_than_address_password_and_name() {
    let gateway = Gateway::start().await;
    let body = json!({ "email": "a@example.org", "password": "correct horse", "name": "A", "owner_id": "x" });

    let refused = told(gateway.ask(Method::POST, "/api/v1/accounts").json(&body).send().await.unwrap()).await;

    assert_eq!((refused.0, &refused.1["errors"][0]["field"]), (422, &json!("owner_id")));
    gateway.app.finish().await;
}

#[tokio::test]
async fn signing_out_answers_without_a_body() {
    let gateway = Gateway::start().await;
    let member = Member::new();

    let answer =
        told(gateway.call_with(&member, Method::DELETE, "/api/v1/sessions/current").send().await.unwrap()).await;

    assert_eq!(answer, (204, json!("")));
    gateway.app.finish().await;
}

#[tokio::test]
async fn erasing_answers_with_a_receipt_that_anyone_who_has_it_may_look_at() {
    let gateway = Gateway::start().await;
    let response = gateway.call_with(&Member::new(), Method::DELETE, "/api/v1/me").send().await.unwrap();
    let receipt = response.headers()["location"].to_str().unwrap().to_owned();
    let (status, begun) = told(response).await;

    let seen = told(gateway.ask(Method::GET, &receipt).send().await.unwrap()).await;

    let id = begun["receipt_id"].as_str().unwrap();
    assert_eq!((status, receipt.as_str()), (202, format!("/api/v1/erasures/{id}").as_str()));
    let parts = json!([
        { "service": "accounts", "erased_at": "2026-11-01T09:30:00Z" },
        { "service": "contacts", "erased_at": "2026-11-01T09:30:02Z" },
    ]);
    let expected = json!({
        "receipt_id": id, "begun_at": "2026-11-01T09:30:00Z", "finished_at": "2026-11-01T09:30:02Z", "parts": parts,
    });
    assert_eq!(seen, (200, expected));
    gateway.app.finish().await;
}
