//! The HTTP server: slow, greedy and vanishing callers, panics, and the stop.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::http_client::{Server, impatient, within};
use bytes::Bytes;
use futures::{StreamExt, stream};
use skeleton::http::{HttpSettings, NoContent, Response, Routes, bytes, group, reply};
use skeleton::stop::Stop;
use tokio::io::AsyncWriteExt;
use tokio::sync::{Notify, mpsc, oneshot};
use warp::{Filter, Reply};

const HELLO: &str = "GET /hello HTTP/1.1\r\nhost: here\r\n\r\n";

/// Routes that say hello, read bodies, and panic.
fn plain(_: Stop) -> Routes {
    let hello = warp::path!("hello").and(warp::get()).map(|| "hello".into_response());
    let length =
        warp::path!("length").and(warp::post()).and(bytes()).map(|body: Bytes| body.len().to_string().into_response());
    let large =
        warp::path!("large").and(warp::post()).and(bytes()).map(|body: Bytes| body.len().to_string().into_response());
    let panics = warp::path!("panics").map(|| -> Response { panic!("on purpose") });
    group(hello.or(length).unify().or(large).unify().or(panics).unify())
}

/// Signals that the handler has begun, and ends when released.
fn held(method: &'static str, begun: mpsc::Sender<()>, go: Arc<Notify>, done: mpsc::Sender<()>) -> Routes {
    let work = move || {
        let (begun, go, done) = (begun.clone(), Arc::clone(&go), done.clone());
        async move {
            begun.send(()).await.unwrap();
            go.notified().await;
            done.send(()).await.unwrap();
            reply::<_, skeleton::failure::Failure>(Ok(NoContent))
        }
    };
    let method = warp::method().and_then(move |given: warp::http::Method| async move {
        if given == method { Ok(()) } else { Err(warp::reject::not_found()) }
    });
    group(warp::path!("held").and(method.untuple_one()).then(work))
}

fn took_at_least(since: Instant, milliseconds: u64) {
    assert!(since.elapsed() >= Duration::from_millis(milliseconds), "closed after {:?} already", since.elapsed());
}

#[tokio::test]
async fn a_connection_that_says_nothing_or_half_a_head_is_closed() {
    let server = Server::start(impatient(), plain).await;

    for words in
        ["", "GET /hel", "GET /hello HTTP/1.1\r\nhost: here\r\n", "PRI * HT", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]
    {
        let since = Instant::now();
        let mut caller = server.call().await;
        caller.say(words).await;

        let heard = caller.heard_until_closed().await;

        assert!(!heard.contains("200"), "{words:?} was answered with {heard:?}");
        took_at_least(since, 190);
        assert!(since.elapsed() < Duration::from_secs(4), "{words:?} was kept for {:?}", since.elapsed());
    }
}

#[tokio::test]
async fn a_head_sent_byte_by_byte_is_closed_although_each_byte_is_in_time() {
    let server = Server::start(impatient(), plain).await;
    let mut caller = server.call().await;
    let mut ticks = tokio::time::interval(Duration::from_millis(50));

    let written = within(async {
        while caller.stream.write_all(b"x").await.is_ok() {
            ticks.tick().await;
        }
    });

    written.await;
}

#[tokio::test]
async fn a_connection_is_kept_between_requests_and_closed_when_idle() {
    let server = Server::start(impatient(), plain).await;
    let mut caller = server.call().await;

    for _ in 0..3 {
        caller.say(HELLO).await;
        assert_eq!(caller.answer().await.unwrap().body, "hello");
    }

    assert!(caller.answer().await.is_none());
}

#[tokio::test]
async fn a_body_that_stops_coming_is_answered_with_408() {
    let server = Server::start(impatient(), plain).await;

    let answer = server.ask("POST /length HTTP/1.1\r\nhost: here\r\ncontent-length: 100\r\n\r\nhalf").await;

    assert_eq!(answer.problem(), (408, "body-too-slow".to_owned()));
}

#[tokio::test]
async fn a_body_sent_byte_by_byte_is_answered_with_408_although_each_byte_is_in_time() {
    let server = Server::start(impatient(), plain).await;
    let mut caller = server.call().await;
    caller.say("POST /length HTTP/1.1\r\nhost: here\r\ncontent-length: 60000\r\n\r\n").await;
    let mut ticks = tokio::time::interval(Duration::from_millis(50));

    let answer = loop {
        tokio::select! {
            answer = caller.answer() => break answer.unwrap(),
            _ = ticks.tick() => {}
        }
        caller.say("x").await;
    };

    assert_eq!(answer.problem(), (408, "body-too-slow".to_owned()));
}

#[tokio::test]
async fn a_body_over_the_limit_is_answered_with_413_while_the_caller_is_still_sending() {
    let settings = HttpSettings { max_body_bytes: 1_000, ..impatient() }.allow_body("/large", 2_000);
    let server = Server::start(settings, plain).await;
    let chunk = format!("3e8\r\n{}\r\n", "x".repeat(1_000));

    let ask = async |path: &str, length: &str, body: &str| {
        server.ask(&format!("POST {path} HTTP/1.1\r\nhost: here\r\n{length}\r\n\r\n{body}")).await
    };

    let chunked = "transfer-encoding: chunked";
    assert_eq!(ask("/length", chunked, &format!("{chunk}0\r\n\r\n")).await.body, "1000");
    assert_eq!(ask("/length", chunked, &chunk.repeat(500)).await.problem(), (413, "body-too-large".to_owned()));
    assert_eq!(
        ask("/length", "content-length: 500000", &"x".repeat(500_000)).await.problem(),
        (413, "body-too-large".to_owned())
    );
    assert_eq!(ask("/large", chunked, &format!("{chunk}{chunk}0\r\n\r\n")).await.body, "2000");
    assert_eq!(ask("/large", chunked, &chunk.repeat(3)).await.problem(), (413, "body-too-large".to_owned()));
}

#[tokio::test]
async fn too_many_or_too_long_headers_are_turned_down() {
    let server = Server::start(impatient(), plain).await;

    let many = "a: b\r\n".repeat(100);
    let long = format!("a: {}\r\n", "b".repeat(60_000));

    assert_eq!(server.ask(&format!("GET /hello HTTP/1.1\r\n{many}\r\n")).await.status, 431);
    assert_eq!(server.ask(&format!("GET /hello HTTP/1.1\r\n{long}\r\n")).await.status, 431);
}

#[tokio::test]
async fn a_panic_is_a_problem_with_a_trace_and_the_connection_goes_on() {
    let server = Server::start(HttpSettings::default(), plain).await;
    let mut caller = server.call().await;

    for method in ["GET", "POST"] {
        caller.say(&format!("{method} /panics HTTP/1.1\r\nhost: here\r\ncontent-length: 0\r\n\r\n")).await;
        let answer = caller.answer().await.unwrap();
        assert_eq!(answer.problem(), (500, "internal-error".to_owned()));
        assert_eq!(answer.header("x-trace-id").map(str::len), Some(32));
    }

    caller.say(HELLO).await;
    assert_eq!(caller.answer().await.unwrap().body, "hello");
}

#[tokio::test]
async fn a_caller_who_does_not_read_is_closed() {
    let (closed, is_closed) = oneshot::channel::<()>();
    let closed = Arc::new(Mutex::new(Some(closed)));
    let endless = warp::path!("endless").map(move || {
        let held = closed.lock().unwrap().take();
        let pieces = stream::repeat_with(move || {
            let _keep = &held;
            Ok::<_, Infallible>(Bytes::from_static(&[0; 16_384]))
        });
        warp::reply::stream(pieces).into_response()
    });
    let server = Server::start(impatient(), |_| group(endless)).await;
    let mut caller = server.call().await;

    caller.say("GET /endless HTTP/1.1\r\nhost: here\r\n\r\n").await;

    assert!(within(is_closed).await.is_err(), "the response was dropped with its connection");
}

#[tokio::test]
async fn connections_over_the_cap_of_one_address_are_closed_and_over_the_cap_of_all_wait() {
    let capped = HttpSettings { max_connections_per_address: 2, ..HttpSettings::default() };
    let server = Server::start(capped, plain).await;
    let (mut first, mut second) = (server.call().await, server.call().await);
    for caller in [&mut first, &mut second] {
        caller.say(HELLO).await;
        assert_eq!(caller.answer().await.unwrap().status, 200);
    }
    assert_eq!(server.call().await.heard_until_closed().await, "");

    let full = HttpSettings { max_connections: 1, ..HttpSettings::default() };
    let server = Server::start(full, plain).await;
    let mut first = server.call().await;
    first.say(HELLO).await;
    assert_eq!(first.answer().await.unwrap().status, 200);
    let mut waiting = server.call().await;
    waiting.say(HELLO).await;
    assert!(tokio::time::timeout(Duration::from_millis(200), waiting.answer()).await.is_err());
    drop(first);
    assert_eq!(waiting.answer().await.unwrap().status, 200);
}

#[tokio::test]
async fn requests_over_the_limit_are_told_to_come_back_and_slow_handlers_are_given_up() {
    let (begun, mut has_begun) = mpsc::channel(1);
    let settings = HttpSettings { max_concurrent_requests: 1, request_timeout_ms: 300, ..HttpSettings::default() };
    let server = Server::start(settings, |_| held("GET", begun, Arc::default(), mpsc::channel(1).0)).await;
    let mut slow = server.call().await;
    slow.say("GET /held HTTP/1.1\r\nhost: here\r\n\r\n").await;
    within(has_begun.recv()).await.unwrap();

    let turned_down = server.get("/held").await;

    assert_eq!(turned_down.problem(), (503, "unavailable".to_owned()));
    assert_eq!(turned_down.header("retry-after"), Some("1"));
    assert_eq!(slow.answer().await.unwrap().problem(), (504, "timed-out".to_owned()));
}

#[tokio::test]
async fn a_caller_who_hangs_up_breaks_off_a_get_but_not_a_post() {
    for (method, goes_on) in [("GET", false), ("POST", true)] {
        let (begun, mut has_begun) = mpsc::channel(1);
        let (done, mut is_done) = mpsc::channel(1);
        let go = Arc::new(Notify::new());
        let weak = Arc::downgrade(&go);
        let server = Server::start(HttpSettings::default(), |_| held(method, begun, go, done)).await;
        let mut caller = server.call().await;
        caller.say(&format!("{method} /held HTTP/1.1\r\nhost: here\r\ncontent-length: 0\r\n\r\n")).await;
        within(has_begun.recv()).await.unwrap();

        drop(caller);
        // A second caller is answered only after the server has processed the end of the first connection.
        assert_eq!(server.get("/other").await.status, 404);
        if let Some(go) = weak.upgrade() {
            go.notify_one();
        }
        server.stop.stop();

        assert!(server.drained().await.is_clean());
        assert_eq!(is_done.recv().await.is_some(), goes_on, "{method}");
    }
}

#[tokio::test]
async fn a_stop_lets_requests_end_ends_streams_and_serves_who_is_already_connected() {
    let (begun, mut has_begun) = mpsc::channel(1);
    let go = Arc::new(Notify::new());
    let release = Arc::clone(&go);
    let live = warp::path!("live").map(|| {
        let first = stream::once(async { Ok::<_, Infallible>(warp::sse::Event::default().data("first")) });
        warp::sse::reply(first.chain(stream::pending())).into_response()
    });
    let server = Server::start(HttpSettings { drain_ms: 15_000, ..HttpSettings::default() }, |_| {
        group(
            live.or(held("POST", begun, go, mpsc::channel(1).0)).unify().or(plain(skeleton::stop::channel().1)).unify(),
        )
    });
    let server = server.await;
    let (mut streaming, mut working, mut idle, mut fresh) =
        (server.call().await, server.call().await, server.call().await, server.call().await);
    streaming.say("GET /live HTTP/1.1\r\nhost: here\r\n\r\n").await;
    streaming.hear("data:first").await;
    working.say("POST /held HTTP/1.1\r\nhost: here\r\ncontent-length: 0\r\n\r\n").await;
    within(has_begun.recv()).await.unwrap();
    idle.say(HELLO).await;
    assert_eq!(idle.answer().await.unwrap().status, 200);
    let since = Instant::now();

    server.stop.stop();
    fresh.say(HELLO).await;

    assert!(streaming.heard_until_closed().await.contains("retry: "));
    assert!(idle.answer().await.is_none(), "an idle connection is closed");
    assert_eq!(fresh.answer().await.unwrap().body, "hello");
    release.notify_one();
    let answered = working.answer().await.unwrap();
    assert_eq!(answered.header("connection"), Some("close"));
    drop((working, fresh, idle));
    assert!(server.drained().await.is_clean());
    assert!(since.elapsed() < Duration::from_secs(5), "the drain took {:?}", since.elapsed());
}

#[tokio::test]
async fn what_does_not_end_is_cut_at_the_deadline_and_counted() {
    let (begun, mut has_begun) = mpsc::channel(1);
    let settings = HttpSettings { drain_ms: 300, ..HttpSettings::default() };
    let server = Server::start(settings, |_| held("POST", begun, Arc::default(), mpsc::channel(1).0)).await;
    let mut caller = server.call().await;
    caller.say("POST /held HTTP/1.1\r\nhost: here\r\ncontent-length: 0\r\n\r\n").await;
    within(has_begun.recv()).await.unwrap();

    server.stop.stop();
    let drained = server.drained().await;

    assert_eq!((drained.connections_cut, drained.requests_cut), (1, 1));
    assert_eq!(caller.heard_until_closed().await, "");
}
