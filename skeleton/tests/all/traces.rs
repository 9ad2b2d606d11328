//! Every log line about a message or request has its trace.

use std::time::Duration;

use accounts_events::Registered;
use events::Envelope;
use serde_json::Value;
use skeleton::{
    Failure,
    http::{HttpSettings, Json, group, reply},
    testing::{Logs, TestApp, eventually},
};
use uuid::Uuid;
use warp::Filter;

use crate::{http_client::Server, probe};

fn registered(name: &str) -> Registered {
    Registered { account_id: Uuid::new_v4(), name: name.to_owned(), ..accounts_events::samples::registered() }
}

fn trace_of(envelope: &Envelope) -> String {
    envelope.trace.unwrap().trace_id_text()
}

/// The lines of a trace that report how a message ended.
fn endings(logs: &Logs, trace: &str) -> Vec<Value> {
    logs.of_trace(trace).into_iter().filter(|line| line["outcome"].is_string() && line["level"] != "DEBUG").collect()
}

#[tokio::test]
async fn how_a_message_fails_is_logged_with_its_trace_at_the_first_and_at_later_attempts() {
    let logs = Logs::captured();
    let settings = [("retry", "waits_ms", "[50]"), ("retry", "jitter", "0")];
    let app = TestApp::start(probe::service(), &settings).await;
    for (name, level, lines) in [("refuse", "WARN", 1), ("fail", "WARN", 2), ("panic", "ERROR", 2)] {
        let event = registered(name);
        let envelope = app.world().envelope_for(&event);

        app.receives_in(&event, &envelope).await;

        let trace = trace_of(&envelope);
        let what = format!("{lines} lines of {name}");
        let found = eventually(&what, async || match endings(&logs, &trace) {
            found if found.len() == lines => Ok(found),
            found => Err(format!("{found:?}")),
        });
        let found = found.await;
        assert!(found.iter().all(|line| line["level"] == level), "{name}: {found:?}");
        assert_eq!(found[lines - 1]["outcome"], "parked", "{name}: {found:?}");
    }
    app.parked().await;
    app.finish().await;
}

#[tokio::test]
async fn a_fault_of_ours_names_its_trace_in_the_response_and_in_the_log() {
    let logs = Logs::captured();
    let broken = warp::path!("broken").map(|| reply(Err::<Json<()>, _>(Failure::bug("it is broken"))));
    let panics = warp::path!("panics").map(|| -> warp::reply::Response { panic!("it panics") });
    let server = Server::start(HttpSettings::default(), |_| group(broken.or(panics))).await;

    for path in ["/broken", "/panics"] {
        let answer = server.ask(&format!("GET {path} HTTP/1.1\r\nhost: here\r\n\r\n")).await;

        let trace = answer.header("x-trace-id").unwrap();
        let problem: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!((&problem["status"], &problem["trace_id"]), (&500.into(), &trace.into()), "{path}");
        let lines = tokio::time::timeout(Duration::from_secs(5), async {
            eventually("an error", async || {
                let lines = logs.of_trace(trace);
                lines.iter().any(|line| line["level"] == "ERROR").then_some(()).ok_or(format!("{lines:?}"))
            })
            .await
        });
        lines.await.unwrap();
    }
}
