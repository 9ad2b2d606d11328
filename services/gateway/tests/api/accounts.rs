//! Registering, signing in, and one's own account.

mod common;

use common::{Gateway, Member, told};
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn a_visitor_registers_signs_in_and_sees_their_account() {
    let gateway = Gateway::start().await;
    let ada = json!({ "email": "ada@example.org", "password": "correct horse battery", "name": "Ada Lovelace" });

    let registered = told(gateway.ask(Method::POST, "/api/v1/accounts").json(&ada).send().await.unwrap()).await;
    let login = json!({ "email": "ada@example.org", "password": "correct horse battery" });
    let signed_in = told(gateway.ask(Method::POST, "/api/v1/sessions").json(&login).send().await.unwrap()).await;
    let member = Member::new();
    let (status, me) = told(gateway.get(&member, "/api/v1/me").await).await;

    assert_eq!(registered.0, 201);
    assert_eq!(
        registered.1,
        json!({
            "id": "7c0f3c1e-3b1f-4f0e-9d0a-5b8f6a1d2c33", "email": "ada@example.org", "name": "Ada Lovelace",
            "discoverable": false, "nameable": false, "created_at": "2026-11-01T09:30:00Z",
        })
    );
    assert_eq!(
        signed_in,
        (
            200,
            json!({
                "access_token": "eyJhbGciOiJFZERTQSJ9.e30.c2ln", "token_type": "Bearer", "expires_in": 900,
                "refresh_token": "vT3l0b7iV6nq",
            })
        )
    );
    assert_eq!((status, me["id"].as_str()), (200, Some(member.account_id.to_string().as_str())));
    gateway.app.finish().await;
}
