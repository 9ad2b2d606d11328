//! The live stream: every event once, in order, and none missed after a reconnect.

use std::time::Duration;

use contacts_events::{ImportCancelled, ImportFailed, ImportFinished, ImportProgressed, ImportStarted};
use network_events::IdentityLinked;
use notifications_events::{Delivered, DeliveredChannel};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use skeleton::testing::TIMEOUT;
use uuid::Uuid;

use crate::gateway::{Gateway, Member, header, sign, told};

/// The client side of a stream.
struct Stream {
    response: Response,
    text: String,
    last_id: String,
}

/// An event received from a stream.
#[derive(Debug, PartialEq)]
struct Told {
    id: String,
    name: String,
    data: Value,
}

impl Stream {
    /// Opens a stream, and reads its beginning.
    async fn open(gateway: &Gateway, member: &Member, last_event_id: Option<&str>) -> Self {
        let mut request = gateway.call_with(member, Method::GET, "/api/v1/stream");
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id);
        }
        Self::begun(request.send().await.unwrap()).await
    }

    async fn begun(response: Response) -> Self {
        assert_eq!(
            (response.status().as_u16(), &response.headers()["content-type"]),
            (200, &"text/event-stream".parse().unwrap())
        );
        let mut stream = Self { response, text: String::new(), last_id: String::new() };
        let begin = stream.block().await.unwrap();
        let (retry, id) = begin.split_once('\n').unwrap();
        assert_eq!(retry, "retry: 2000");
        stream.last_id = id.strip_prefix("id: ").unwrap().to_owned();
        stream
    }

    /// The lines up to the next empty one; `None` at the end.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                return Some(block);
            }
            let chunk = tokio::time::timeout(TIMEOUT, self.response.chunk()).await.expect("the stream sends something");
            self.text.push_str(std::str::from_utf8(&chunk.unwrap()?).unwrap());
        }
    }

    /// The next event.
    async fn next(&mut self) -> Told {
        loop {
            let block = self.block().await.expect("the stream continues");
            if block.starts_with(':') {
                continue;
            }
            let field = |name: &str| {
                let line = block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
                line.unwrap_or_else(|| panic!("{name} in {block}")).to_owned()
            };
            self.last_id = field("id");
            return Told { id: field("id"), name: field("event"), data: serde_json::from_str(&field("data")).unwrap() };
        }
    }

    /// Reads to the end; returns the last block.
    async fn read_to_end(mut self) -> Option<String> {
        let mut last = None;
        while let Some(block) = self.block().await {
            last = Some(block);
        }
        last
    }
}

fn delivered(member: &Member) -> Delivered {
    Delivered {
        account_id: member.account_id,
        notification_id: Uuid::new_v4(),
        ..notifications_events::samples::delivered()
    }
}

fn linked(member: &Member) -> IdentityLinked {
    IdentityLinked {
        owner_id: member.account_id,
        contact_id: Uuid::new_v4(),
        ..network_events::samples::identity_linked()
    }
}

#[tokio::test]
async fn a_browser_is_told_that_an_import_was_cancelled_and_what_is_in() {
    let gateway = Gateway::start().await;
    let member = Member::new();
    let mut stream = Stream::open(&gateway, &member, None).await;
    let cancelled = ImportCancelled { account_id: member.account_id, ..contacts_events::samples::import_cancelled() };

    gateway.app.receives(&cancelled).await;

    let told = stream.next().await;
    assert_eq!(
        (told.name.as_str(), &told.data["status"], &told.data["added"]),
        ("import", &json!("cancelled"), &json!(60))
    );
    drop(stream);
    gateway.app.finish().await;
}

#[tokio::test]
async fn a_browser_is_told_what_happens_to_its_account_and_to_no_other() {
    let gateway = Gateway::start().await;
    let (member, other) = (Member::new(), Member::new());
    let account_id = member.account_id;
    let import_id = Uuid::new_v4();
    let mut stream = Stream::open(&gateway, &member, None).await;

    gateway.app.receives(&delivered(&other)).await;
    let started = ImportStarted { account_id, import_id, ..contacts_events::samples::import_started() };
    gateway.app.receives(&started).await;
    let import = stream.next().await;
    let notification = delivered(&member);
    gateway.app.receives(&notification).await;
    let notice = stream.next().await;
    gateway.app.receives(&linked(&member)).await;
    let network = stream.next().await;

    assert_eq!(import.name, "import");
    assert_eq!(
        import.data,
        json!({
            "id": import_id, "file_name": "Connections.csv", "format": null, "status": "running",
            "total": 0, "added": 0, "changed": 0, "unchanged": 0, "failed": 0,
        })
    );
    assert_eq!(notice.name, "notification");
    assert_eq!(
        notice.data,
        json!({
            "id": notification.notification_id, "kind": "import-finished", "title": "Connections.csv is in",
            "body": "100 contacts are new, 5 changed.", "read": false, "created_at": "2026-11-01T09:30:00Z",
        })
    );
    assert_eq!((network.name.as_str(), network.data), ("network", json!({})));
    drop(stream);
    gateway.app.finish().await;
}

#[tokio::test]
async fn whoever_comes_back_with_the_last_id_misses_nothing_and_gets_nothing_twice() {
    let gateway = Gateway::start().await;
    let member = Member::new();
    let notices: Vec<_> = (0..30).map(|_| delivered(&member)).collect();
    let mut seen = Vec::new();
    let mut last_id = Stream::open(&gateway, &member, None).await.last_id;

    for group in notices.chunks(3) {
        gateway.app.receives(&group[0]).await;
        let mut stream = Stream::open(&gateway, &member, Some(&last_id)).await;
        gateway.app.receives(&group[1]).await;
        gateway.app.receives(&group[2]).await;
        seen.push(stream.next().await.data["id"].clone());
        seen.push(stream.next().await.data["id"].clone());
        last_id = stream.last_id;
    }
    let path = format!("/api/v1/stream?last_event_id={last_id}");
    let mut rest = Stream::begun(gateway.call_with(&member, Method::GET, &path).send().await.unwrap()).await;
    while seen.len() < notices.len() {
        seen.push(rest.next().await.data["id"].clone());
    }

    let sent: Vec<_> = notices.iter().map(|notice| json!(notice.notification_id)).collect();
    assert_eq!(seen, sent);
    drop(rest);
    gateway.app.finish().await;
}

#[tokio::test]
async fn of_one_import_and_of_the_network_only_the_newest_is_kept() {
    let gateway = Gateway::start().await;
    let member = Member::new();
    let (account_id, import_id) = (member.account_id, Uuid::new_v4());
    let progressed =
        |added| ImportProgressed { account_id, import_id, added, ..contacts_events::samples::import_progressed() };
    let begin = Stream::open(&gateway, &member, None).await.last_id;
    let first = gateway.app.world().envelope_for(&progressed(10));
    gateway.app.receives_in(&progressed(10), &first).await;
    for added in [20, 30] {
        gateway.app.receives(&linked(&member)).await;
        gateway.app.receives(&progressed(added)).await;
    }
    gateway
        .app
        .receives(&ImportFinished { account_id, import_id, ..contacts_events::samples::import_finished() })
        .await;

    let late = gateway.app.receives_in(&progressed(10), &first).await;
    gateway.app.receives(&delivered(&member)).await;
    let mut stream = Stream::open(&gateway, &member, Some(&begin)).await;
    let told = [stream.next().await, stream.next().await, stream.next().await];

    assert_eq!(late.outcome, "done");
    assert_eq!(told.each_ref().map(|told| told.name.as_str()), ["network", "import", "notification"]);
    assert_eq!((&told[1].data["status"], &told[1].data["added"]), (&json!("finished"), &json!(100)));
    drop(stream);
    gateway.app.finish().await;
}

#[tokio::test]
async fn a_failed_import_says_why_and_mail_is_not_told() {
    let gateway = Gateway::start().await;
    let member = Member::new();
    let mut stream = Stream::open(&gateway, &member, None).await;

    gateway.app.receives(&Delivered { channel: DeliveredChannel::Email, ..delivered(&member) }).await;
    let failed = ImportFailed { account_id: member.account_id, ..contacts_events::samples::import_failed() };
    gateway.app.receives(&failed).await;
    let import = stream.next().await;

    assert_eq!((&import.data["status"], &import.data["error"]), (&json!("failed"), &json!(failed.reason)));
    drop(stream);
    gateway.app.finish().await;
}

#[tokio::test]
async fn an_event_delivered_twice_is_told_once() {
    let gateway = Gateway::start().await;
    let member = Member::new();
    let mut stream = Stream::open(&gateway, &member, None).await;
    let (first, second) = (delivered(&member), delivered(&member));
    let envelope = gateway.app.world().envelope_for(&first);

    gateway.app.receives_in(&first, &envelope).await;
    gateway.app.world().publish(&first, &envelope).await;
    gateway.app.receives(&second).await;

    assert_eq!(stream.next().await.data["id"], json!(first.notification_id));
    assert_eq!(stream.next().await.data["id"], json!(second.notification_id));
    drop(stream);
    gateway.app.finish().await;
}

#[tokio::test]
async fn what_another_replica_has_committed_is_told_within_a_moment() {
    let gateway = Gateway::start().await;
    let member = Member::new();
    let mut stream = Stream::open(&gateway, &member, None).await;

    let sql = "with head as (insert into streams (account_id, last) values ($1, 1) returning last)
        insert into stream_events (account_id, topic, id, name, sequence, data) select $1, 'network', last, 'network', 0, '{}' from head";
    gateway.app.parts().store.execute(sql, &[&member.account_id]).await.unwrap();

    assert_eq!(stream.next().await.name, "network");
    drop(stream);
    gateway.app.finish().await;
}

#[tokio::test]
async fn a_stream_ends_with_its_session_and_with_its_token() {
    let gateway = Gateway::start().await;
    let member = Member::new();
    let stream = Stream::open(&gateway, &member, None).await;
    let short = {
        let mut claims = member.claims();
        claims["exp"] = json!(jsonwebtoken::get_current_timestamp() + 1);
        let request = gateway.ask(Method::GET, "/api/v1/stream").bearer_auth(sign(&header(), &claims));
        Stream::begun(request.send().await.unwrap()).await
    };

    short.read_to_end().await;
    let ended = accounts_events::SessionEnded {
        account_id: member.account_id,
        session_id: member.session_id,
        tokens_expire_at: chrono::Utc::now() + chrono::TimeDelta::minutes(15),
        ..accounts_events::samples::session_ended()
    };
    gateway.app.receives(&ended).await;

    stream.read_to_end().await;
    gateway.app.finish().await;
}

#[tokio::test]
async fn an_account_may_have_ten_streams_and_one_that_is_closed_does_not_count() {
    let gateway = Gateway::start().await;
    let member = Member::new();
    let mut streams = Vec::new();
    for _ in 0..10 {
        streams.push(Stream::open(&gateway, &member, None).await);
    }

    let (status, problem) = told(gateway.get(&member, "/api/v1/stream").await).await;
    streams.truncate(9);

    assert_eq!((status, &problem["type"]), (429, &json!("urn:kith:problem:too-many-streams")));
    skeleton::testing::eventually("room for another stream", async || {
        let response = gateway.get(&member, "/api/v1/stream").await;
        if response.status() == 200 { Ok(()) } else { Err(response.status().to_string()) }
    })
    .await;
    drop(streams);
    gateway.app.finish().await;
}

#[tokio::test]
async fn a_stop_ends_every_stream_and_says_when_to_come_back() {
    let gateway = Gateway::start().await;
    let mut streams = Vec::new();
    for _ in 0..30 {
        streams.push(Stream::open(&gateway, &Member::new(), None).await);
    }
    let ends = streams.into_iter().map(|stream| tokio::spawn(stream.read_to_end())).collect::<Vec<_>>();

    let stopping = tokio::time::timeout(Duration::from_secs(10), gateway.app.stop());

    stopping.await.expect("the gateway stops in time");
    for end in ends {
        let last = end.await.unwrap().expect("a last block");
        assert!(last.starts_with("retry: "), "{last}");
    }
}
