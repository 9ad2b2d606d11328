//! The live stream: events sent to browsers as they happen (server-sent events).
//!
//! A stream reads rows in ascending order of number. A number is assigned under a lock held until its transaction
//! commits. So once a number is visible all smaller ones are, and a browser that reconnects with the last number it has
//! seen misses nothing.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use skeleton::{
    Failure, Postgres,
    http::{Response, Routes, group, reply},
};
use tokio::{sync::mpsc, time::Instant};
use uuid::Uuid;
use warp::{
    Filter, Reply,
    http::{
        HeaderMap,
        header::{CONTENT_TYPE, HeaderName, HeaderValue},
    },
};

use super::{
    Api,
    query::{Query, query},
};
use crate::{
    caller::Caller,
    live::Listening,
    store::{self, StreamRow},
};

/// How long a browser waits before it reconnects.
const RETRY_MS: u32 = 2_000;
const HEARTBEAT: Duration = Duration::from_secs(15);
const AFTER_TROUBLE: Duration = Duration::from_secs(1);
const ROWS_AT_A_TIME: i64 = 100;

pub fn routes(api: &Api) -> Routes {
    let api_of_route = api.clone();
    let stream = warp::path!("api" / "v1" / "stream").and(warp::get()).and(api.caller());
    let stream = stream.and(warp::header::headers_cloned()).and(query()).then(move |caller, headers, query| {
        let api = api_of_route.clone();
        async move { reply(open_stream(api, caller, headers, query).await) }
    });
    group(stream)
}

/// `GET /api/v1/stream` - events from now on, or since the last event seen.
async fn open_stream(api: Api, caller: Caller, headers: HeaderMap, query: Query) -> Result<Response, Failure> {
    let account_id = caller.account_id;
    let listening = api.live.listen(account_id)?;
    let newest = store::newest_of(&api.app.store, &[account_id]).await?.first().map_or(0, |(_, newest)| *newest);
    let seen = last_event_id(&headers, &query).map_or(newest, |seen| seen.min(newest));
    let (events, mut received) = mpsc::channel(16);
    tokio::spawn(async move {
        let ended = api.ended.clone();
        let left = (caller.expires_at - chrono::Utc::now()).to_std().unwrap_or_default();
        let teller = Teller { store: api.app.store, account_id, listening, events: events.clone(), seen };
        tokio::select! {
            () = teller.tell() => {}
            () = events.closed() => {}
            () = ended.until_ended(caller.session_id, account_id) => {}
            () = tokio::time::sleep(left) => {}
        }
    });
    let body = futures::stream::poll_fn(move |context| {
        received.poll_recv(context).map(|event| event.map(Ok::<_, Infallible>))
    });
    let mut response = warp::reply::stream(body).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    // Proxies that buffer responses would delay a stream indefinitely.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    Ok(response)
}

/// The last event that the browser has seen; text that is not a number is ignored.
fn last_event_id(headers: &HeaderMap, query: &Query) -> Option<i64> {
    let header = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    header.or(query.text("last_event_id")).and_then(|id| id.trim().parse().ok()).filter(|id| *id >= 0)
}

/// Sends events to one browser.
struct Teller {
    store: Postgres,
    account_id: Uuid,
    listening: Listening,
    events: mpsc::Sender<Bytes>,
    seen: i64,
}

impl Teller {
    /// Sends events until the browser disconnects.
    async fn tell(mut self) {
        // The id without data: a browser that has seen no event yet can resume here.
        let mut sent = self.send(format!("retry: {RETRY_MS}\nid: {}\n\n", self.seen)).await;
        let mut silent_since = Instant::now();
        while sent {
            let newest = self.listening.newest();
            let rows = store::stream_after(&self.store, self.account_id, self.seen, ROWS_AT_A_TIME).await;
            let rows = match rows {
                Ok(rows) => rows,
                Err(error) => {
                    tracing::warn!(%error, "failed to read a stream; retrying");
                    tokio::time::sleep(AFTER_TROUBLE).await;
                    continue;
                }
            };
            if let Some(last) = rows.last() {
                self.seen = last.id;
                sent = self.send(rows.iter().map(text_of).collect()).await;
                silent_since = Instant::now();
                continue;
            }
            // Some numbers no longer have a row.
            self.seen = self.seen.max(newest);
            tokio::select! {
                () = self.listening.beyond(self.seen) => {}
                () = tokio::time::sleep_until(silent_since + HEARTBEAT) => {
                    sent = self.send(": still here\n\n".to_owned()).await;
                    silent_since = Instant::now();
                }
            }
        }
    }

    async fn send(&self, text: String) -> bool {
        self.events.send(text.into()).await.is_ok()
    }
}

fn text_of(row: &StreamRow) -> String {
    let StreamRow { id, name, data } = row;
    format!("id: {id}\nevent: {name}\ndata: {data}\n\n")
}
