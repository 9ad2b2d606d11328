//! HTTP responses: problems for all errors, limits, traces, and the health of the process.

use std::num::NonZeroU32;
use std::sync::Arc;

use crate::http_client::Server;
use serde::{Deserialize, Serialize};
use serde_json::json;
use skeleton::failure::{Failure, Problem, StoreError};
use skeleton::http::admin::{self, Health};
use skeleton::http::{
    Accepted, ClientAddress, Created, HttpSettings, Json, NoContent, RateLimits, RateSettings, Response, Routes, body,
    client_address, group, limited_by_address, reply, trace_header,
};
use skeleton::stop::Stop;
use warp::{Filter, Reply};

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct PlaceOrder {
    name: String,
    items: Vec<Item>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Item {
    amount: u32,
    kind: Kind,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Book,
    Pen,
}

#[derive(Deserialize)]
struct Page {
    limit: u32,
}

fn shop(_: Stop) -> Routes {
    let place = warp::path!("orders").and(warp::post()).and(body::<PlaceOrder>());
    let place = place.then(async |order: PlaceOrder| reply::<_, Failure>(Ok(Created(order))));
    let list = warp::path!("orders")
        .and(warp::get())
        .and(warp::query::<Page>())
        .map(|page: Page| page.limit.to_string().into_response());
    let other = warp::path!("answers" / u32).and(warp::get()).map(|number| match number {
        200 => reply::<_, Failure>(Ok(Json(json!({ "is": "here" })))),
        202 => reply::<_, Failure>(Ok(Accepted { location: "/orders/7".to_owned(), body: json!({}) })),
        204 => reply::<_, Failure>(Ok(NoContent)),
        401 => reply::<NoContent, _>(Err(Problem::new(401, "sign-in", "sign in first"))),
        503 => reply::<NoContent, _>(Err(Failure::from(StoreError::unavailable("secret host")))),
        _ => reply::<NoContent, _>(Err(Failure::bug("secret text"))),
    });
    group(place.or(list).unify().or(other).unify())
}

#[tokio::test]
async fn answers_have_the_status_and_headers_of_what_they_are() {
    let server = Server::start(HttpSettings::default(), shop).await;

    let json = server.get("/answers/200").await;
    assert_eq!((json.status, json.json()), (200, json!({ "is": "here" })));
    assert_eq!(json.header("content-type"), Some("application/json"));
    assert_eq!(json.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(json.header("cache-control"), Some("no-store"));
    let accepted = server.get("/answers/202").await;
    assert_eq!((accepted.status, accepted.header("location")), (202, Some("/orders/7")));
    assert_eq!(server.get("/answers/204").await.status, 204);
    let unauthorized = server.get("/answers/401").await;
    assert_eq!(unauthorized.problem(), (401, "sign-in".to_owned()));
    assert_eq!(unauthorized.header("www-authenticate"), Some("Bearer"));
    let unavailable = server.get("/answers/503").await;
    assert_eq!(unavailable.problem(), (503, "unavailable".to_owned()));
    assert_eq!(unavailable.header("retry-after"), Some("1"));
    let bug = server.get("/answers/500").await;
    assert_eq!(bug.problem(), (500, "internal-error".to_owned()));
    assert!(!bug.body.contains("secret") && !unavailable.body.contains("secret"));
}

#[tokio::test]
async fn what_no_route_takes_is_a_problem() {
    let server = Server::start(HttpSettings::default(), shop).await;
    let delete = "DELETE /orders HTTP/1.1\r\nhost: here\r\n\r\n";

    assert_eq!(server.get("/nothing").await.problem().0, 404);
    assert_eq!(server.get("/answers/not-a-number").await.problem().0, 404);
    assert_eq!(server.ask(delete).await.problem().0, 405);
    assert_eq!(server.get("/orders?limit=many").await.problem(), (400, "invalid-query".to_owned()));
    assert_eq!(server.get("/orders?limit=3").await.body, "3");
    assert_eq!(server.post("/orders", "text/plain", "{}").await.problem().0, 415);
}

#[tokio::test]
async fn a_wrong_body_is_told_where_and_never_what() {
    let server = Server::start(HttpSettings::default(), shop).await;
    let told = async |body: &str| {
        let answer = server.post("/orders", "application/json; charset=utf-8", body).await;
        assert!(!answer.body.contains("hidden"), "{}", answer.body);
        let (status, errors) = (answer.problem().0, answer.json()["errors"].clone());
        (
            status,
            errors[0]["field"].as_str().unwrap_or_default().to_owned(),
            errors[0]["detail"].as_str().unwrap_or_default().to_owned(),
        )
    };
    let wrong = async |body: &str, field: &str, detail: &str| {
        assert_eq!(told(body).await, (422, field.to_owned(), detail.to_owned()), "{body}");
    };

    wrong(r#"{"items": []}"#, "name", "is missing").await;
    wrong(r#"{"name": 7, "items": []}"#, "name", "expected a string").await;
    wrong(r#"{"name": "a", "items": "hidden, expected"}"#, "items", "expected a sequence").await;
    wrong(r#"{"name": "a", "items": [], "more": "hidden"}"#, "more", "is not a known field").await;
    wrong(r#"{"name": "a", "name": "hidden", "items": []}"#, "name", "occurs twice").await;
    wrong(r#"{"name": "\"{[", "items": [{"amount": 1, "kind": "pen"}, {"amount": 2}]}"#, "items.1.kind", "is missing")
        .await;
    wrong(
        "{\"name\": \"a\",\n \"items\": [{\"amount\": \"hidden\", \"kind\": \"pen\"}]}",
        "items.0.amount",
        "expected u32",
    )
    .await;
    wrong(
        r#"{"name": "a", "items": [{"amount": 1, "kind": "pen"}, {"amount": -2, "kind": "pen"}]}"#,
        "items.1.amount",
        "expected u32",
    )
    .await;
    wrong(r#"{"name": "a", "items": [{"kind": "hidden", "amount": 1}]}"#, "items.0.kind", "expected `book` or `pen`")
        .await;
    wrong(r#"[1]"#, "0", "expected a string").await;

    let malformed = server.post("/orders", "application/json", "{\"name\":\n \"hidden\", oops}").await;
    assert_eq!(malformed.problem(), (400, "malformed-json".to_owned()));
    assert!(malformed.body.contains("line 2, column 12") && !malformed.body.contains("hidden"), "{}", malformed.body);
    for (body, code) in [("", "malformed-json"), ("{", "malformed-json"), (&"[".repeat(10_000), "json-too-deep")] {
        assert_eq!(server.post("/orders", "application/json", body).await.problem(), (400, code.to_owned()));
    }
    let long = format!("{{\"{}\": 1}}", "k".repeat(60_000));
    let answer = server.post("/orders", "application/json", &long).await;
    assert_eq!(answer.problem().0, 422);
    assert!(answer.body.len() < 1_000, "a long name is not sent back in full");
}

#[tokio::test]
async fn a_right_body_is_taken() {
    let server = Server::start(HttpSettings::default(), shop).await;
    let order = r#"{"name":"a","items":[{"amount":1,"kind":"pen"}]}"#;

    let answer = server.post("/orders", "application/json", order).await;

    assert_eq!((answer.status, answer.body.as_str()), (201, order));
}

#[tokio::test]
async fn a_trace_is_taken_over_when_it_is_well_formed_and_begun_otherwise() {
    let trace = trace_header().map(|trace: events::TraceParent| trace.to_string().into_response());
    let server = Server::start(HttpSettings::default(), |_| group(trace)).await;
    let ask =
        async |given: &str| server.ask(&format!("GET / HTTP/1.1\r\nhost: here\r\ntraceparent: {given}\r\n\r\n")).await;

    let given = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let taken = ask(given).await;
    assert_eq!(taken.body, given);
    assert_eq!(taken.header("x-trace-id"), Some("0af7651916cd43dd8448eb211c80319c"));
    for bad in [
        "",
        "x",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    ] {
        let begun = ask(bad).await;
        assert_eq!(begun.body.len(), 55);
        assert_eq!(begun.header("x-trace-id"), begun.body.get(3..35));
    }
}

fn rates(burst: u32) -> RateSettings {
    RateSettings {
        per_address_per_minute: NonZeroU32::MIN,
        per_account_per_minute: NonZeroU32::MIN,
        burst: NonZeroU32::new(burst).unwrap(),
    }
}

#[tokio::test]
async fn an_address_may_ask_as_often_as_set_however_it_is_dressed_up() {
    let limits = Arc::new(RateLimits::new(&rates(3)));
    let hello = limited_by_address(limits).and(warp::path!("hello")).map(|| "hello".into_response());
    let server = Server::start(HttpSettings::default(), |_| group(hello)).await;
    let mut statuses = Vec::new();

    for turn in 0..5 {
        let answer =
            server.ask(&format!("GET /hello HTTP/1.1\r\nhost: here\r\nx-forwarded-for: 192.0.2.{turn}\r\n\r\n")).await;
        statuses.push(answer.status);
        if answer.status == 429 {
            assert_eq!(answer.problem().1, "too-many-requests");
            let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
            assert!((1..=60).contains(&wait), "{wait}");
        }
    }

    assert_eq!(statuses, [200, 200, 200, 429, 429]);
}

#[tokio::test]
async fn behind_proxies_only_the_hop_they_wrote_counts() {
    let whose = |trusted_proxies, lines: &'static [&'static str]| async move {
        let address =
            client_address().map(|ClientAddress(address)| -> Response { address.to_string().into_response() });
        let server =
            Server::start(HttpSettings { trusted_proxies, ..HttpSettings::default() }, |_| group(address)).await;
        let lines: String = lines.iter().map(|line| format!("x-forwarded-for: {line}\r\n")).collect();
        server.ask(&format!("GET / HTTP/1.1\r\nhost: here\r\n{lines}\r\n")).await.body
    };

    assert_eq!(whose(0, &["192.0.2.1"]).await, "127.0.0.1");
    assert_eq!(whose(1, &["198.51.100.9, 192.0.2.1"]).await, "192.0.2.1");
    assert_eq!(whose(2, &["198.51.100.9, 192.0.2.1, 10.0.0.1"]).await, "192.0.2.1");
    assert_eq!(whose(2, &["198.51.100.9", "192.0.2.1", "10.0.0.1"]).await, "192.0.2.1");
    assert_eq!(whose(1, &["[2001:db8::1]:4711"]).await, "2001:db8::1");
    assert_eq!(whose(1, &["192.0.2.1:80"]).await, "192.0.2.1");
    assert_eq!(whose(2, &["192.0.2.1"]).await, "127.0.0.1");
    assert_eq!(whose(1, &["nonsense"]).await, "127.0.0.1");
}

#[test]
fn accounts_are_counted_one_by_one_and_exactly() {
    let limits = RateLimits::new(&rates(100));
    let (one, other) = (uuid::Uuid::new_v4(), uuid::Uuid::new_v4());

    let passed = (0..150).filter(|_| limits.check_account(one).is_ok()).count();

    assert_eq!(passed, 100);
    assert!(limits.check_account(other).is_ok());
}

#[tokio::test]
async fn health_tells_starting_failing_draining_and_ready_apart() {
    let health = Health::new();
    let broker = health.check("broker", true);
    let mailer = health.check("mailer", false);
    let server =
        Server::start(HttpSettings::default(), |_| admin::routes(Arc::clone(&health), || "requests 1\n".to_owned()))
            .await;
    let ready = async || {
        let answer = server.get("/health/ready").await;
        (answer.status, answer.json()["status"].as_str().unwrap().to_owned())
    };

    assert_eq!(server.get("/health/live").await.status, 200);
    assert_eq!(server.get("/health/startup").await.status, 503);
    broker.send(Ok(())).unwrap();
    assert_eq!(ready().await, (503, "starting".to_owned()));
    health.set_started();
    assert_eq!(server.get("/health/startup").await.status, 200);
    assert_eq!(ready().await, (200, "ready".to_owned()));
    broker.send(Err("does not answer".to_owned())).unwrap();
    mailer.send(Ok(())).unwrap();
    assert_eq!(ready().await, (503, "failing".to_owned()));
    let checks = server.get("/health/ready").await.json()["checks"].clone();
    assert_eq!(checks[0], json!({ "name": "broker", "ok": false, "required": true, "reason": "does not answer" }));
    assert_eq!(checks[1], json!({ "name": "mailer", "ok": true, "required": false }));
    broker.send(Ok(())).unwrap();
    health.set_draining();
    assert_eq!(ready().await, (503, "draining".to_owned()));
    assert_eq!(server.get("/health/live").await.status, 200);
    drop(broker);
    assert_eq!(server.get("/health/ready").await.json()["checks"][0]["ok"], false);
    assert_eq!(server.get("/metrics").await.body, "requests 1\n");
    assert_eq!(server.post("/metrics", "text/plain", "").await.problem().0, 405);
}
