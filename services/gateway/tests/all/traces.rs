//! A failure can be traced from the response to the service that failed.

use crate::gateway::{Gateway, told};
use accounts_events::{GetSigningKeys, OpenSession, SessionView};
use reqwest::Method;
use serde_json::{Value, json};
use skeleton::{Failure, RequestHandlers, testing::Logs};

const PASSWORD: &str = "a password that is never logged";

/// Signs in through a gateway whose accounts service fails in the given way. Returns the problem, the header with the
/// trace, and the log lines of that trace.
async fn failed_sign_in(fail: fn() -> Failure) -> (Value, String, Vec<Value>) {
    let logs = Logs::captured();
    let accounts = RequestHandlers::new()
        .read(|_: GetSigningKeys, _| async { Ok(accounts_events::samples::signing_keys_view()) })
        .read(move |_: OpenSession, _| async move { Err::<SessionView, _>(fail()) });
    let gateway = Gateway::start_with(&[], accounts).await;

    let asked = gateway.ask(Method::POST, "/api/v1/sessions");
    let body = json!({ "email": "somebody@example.org", "password": PASSWORD });
    let response = asked.json(&body).send().await.unwrap();

    let trace = response.headers()["x-trace-id"].to_str().unwrap().to_owned();
    let (_, problem) = told(response).await;
    gateway.app.finish().await;
    let lines = logs.of_trace(&trace);
    (problem, trace, lines)
}

#[tokio::test]
async fn a_500_is_followed_to_the_service_that_failed_by_its_trace() {
    let (problem, trace, lines) = failed_sign_in(|| Failure::bug("the session has no key")).await;

    assert_eq!((&problem["status"], &problem["trace_id"]), (&json!(500), &json!(trace)));
    let of_the_service = lines.iter().find(|line| line["level"] == "ERROR");
    let of_the_service = of_the_service.unwrap_or_else(|| panic!("no error of this trace: {lines:?}"));
    assert_eq!(of_the_service["reason"], "the session has no key");
    assert_eq!(of_the_service["span"]["message.name"], "accounts.open-session.v1");
    let of_the_gateway = lines.iter().find(|line| line["message"] == "answered");
    assert_eq!(of_the_gateway.unwrap_or_else(|| panic!("no access log: {lines:?}"))["status"], 500);
    assert!(!format!("{lines:?}").contains(PASSWORD), "{lines:?}");
}

#[tokio::test]
async fn a_503_is_followed_to_the_service_that_failed_by_its_trace() {
    let (problem, trace, lines) = failed_sign_in(|| Failure::retry("the row is locked")).await;

    assert_eq!((&problem["status"], &problem["trace_id"]), (&json!(503), &json!(trace)));
    assert!(lines.iter().any(|line| line["level"] == "WARN" && line["reason"] == "the row is locked"), "{lines:?}");
}
