//! A member who keeps calling the public API during a fault, and the responses.

use std::{
    cell::Cell,
    collections::{BTreeMap, HashSet},
    env,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, stream::FuturesUnordered};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{played::Played, stage::Stage};
use crate::public::contact_names;

/// The interval between two requests, whether or not earlier ones are answered.
const EVERY: Duration = Duration::from_millis(100);

/// How long a caller waits for a response; longer than the public API's own deadline.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How long the services may take to know a new member.
const SETTLING: Duration = Duration::from_secs(60);

/// The longest `Retry-After`, in seconds, that a caller accepts before its one safe repetition.
pub const SOON: u64 = 5;

/// The public API's address as `deploy/native` sets it.
pub fn public_place() -> String {
    format!("127.0.0.1:{}", env::var("KITH_HTTP_PORT").unwrap_or_else(|_| "8080".to_owned()))
}

/// A member who calls the public API.
pub struct Caller {
    client: Client,
    url: String,
    token: String,
}

/// The responses.
#[derive(Default)]
pub struct Heard {
    took: Vec<Duration>,
    /// First responses by status; 0 if there was none.
    statuses: BTreeMap<u16, usize>,
    /// Requests that failed when repeated, too.
    failed_twice: usize,
    /// Refusals without `Retry-After`.
    unsaid: usize,
    acknowledged: Vec<String>,
}

struct Asked {
    took: Duration,
    statuses: Vec<u16>,
    is_unsaid: bool,
    acknowledged: Option<String>,
}

impl Caller {
    /// Registers a member.
    pub async fn register() -> Result<Self> {
        let client = Client::builder().timeout(TIMEOUT).build()?;
        let mut caller = Self { client, url: format!("http://{}/api/v1", public_place()), token: String::new() };
        let (email, password) = (format!("{}@chaos.test", Uuid::new_v4()), Uuid::new_v4().to_string());
        let account = json!({ "email": email, "password": password, "name": "A caller" });
        caller.accepted(caller.order("accounts").json(&account)).await?;
        let session = caller.order("sessions").json(&json!({ "email": email, "password": password }));
        let session = caller.accepted(session).await?;
        session["access_token"].as_str().context("a session has no token")?.clone_into(&mut caller.token);
        Ok(caller)
    }

    /// Sends requests at a steady rate until stopped, and repeats each failed request once with the same key.
    pub async fn ask_until(&self, enough: &Cell<bool>) -> Heard {
        let (mut open, mut heard) = (FuturesUnordered::new(), Heard::default());
        let mut clock = tokio::time::interval(EVERY);
        for number in 0u64.. {
            tokio::select! {
                biased;
                _ = clock.tick() => {}
                Some(asked) = open.next() => { heard.note(asked); continue }
            }
            if enough.get() {
                break;
            }
            open.push(self.ask(number));
        }
        while let Some(asked) = open.next().await {
            heard.note(asked);
        }
        heard
    }

    async fn ask(&self, number: u64) -> Asked {
        let (key, name) = (Uuid::new_v4(), format!("Chaos {}", Uuid::new_v4()));
        let request = || match number % 3 {
            0 => self.order("contacts").header("idempotency-key", key.to_string()).json(&json!({ "name": name })),
            1 => self.get("contacts?limit=1"),
            _ => self.get("search?q=Chaos&limit=1"),
        };
        let began = Instant::now();
        let first = request().send().await;
        let took = began.elapsed();
        let (status, wait) = status_and_wait(&first);
        let mut statuses = vec![status];
        if is_trouble(status) {
            tokio::time::sleep(Duration::from_secs(wait.unwrap_or(1).min(SOON))).await;
            statuses.push(status_and_wait(&request().send().await).0);
        }
        let is_done = statuses.last().is_some_and(|status| (200..300).contains(status));
        let acknowledged = (number.is_multiple_of(3) && is_done).then_some(name);
        let is_unsaid = status == 503 && wait.is_none_or(|wait| wait > SOON);
        Asked { took, statuses, is_unsaid, acknowledged }
    }

    /// How many acknowledged contacts the public API does not show, and how many it shows twice.
    pub async fn lost_and_doubled(&self, heard: &Heard) -> Result<(usize, usize)> {
        let began = Instant::now();
        loop {
            let shown = self.shown().await?;
            let different: HashSet<&String> = shown.iter().collect();
            let lost = heard.acknowledged.iter().filter(|name| !different.contains(name)).count();
            if lost == 0 || began.elapsed() > SETTLING {
                return Ok((lost, shown.len() - different.len()));
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    async fn shown(&self) -> Result<Vec<String>> {
        let page = async |cursor: Option<String>| {
            self.accepted(self.get("contacts?limit=200").query(&[("cursor", cursor)])).await
        };
        contact_names(page).await
    }

    /// The body of a successful response. Retries on failure for as long as the services may take to know a new member.
    async fn accepted(&self, request: RequestBuilder) -> Result<Value> {
        let began = Instant::now();
        loop {
            let again = request.try_clone().context("the request cannot be repeated")?;
            let answer = again.send().await;
            let status = status_and_wait(&answer).0;
            if (200..300).contains(&status) {
                return Ok(answer?.json().await?);
            }
            ensure!(began.elapsed() < SETTLING, "the public API responded {status}");
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(format!("{}/{path}", self.url)).bearer_auth(&self.token)
    }

    fn order(&self, path: &str) -> RequestBuilder {
        let request = self.client.request(Method::POST, format!("{}/{path}", self.url)).bearer_auth(&self.token);
        if path == "contacts" { request } else { request.header("idempotency-key", Uuid::new_v4().to_string()) }
    }
}

fn status_and_wait(answer: &reqwest::Result<Response>) -> (u16, Option<u64>) {
    let Ok(answer) = answer else { return (0, None) };
    let wait = answer.headers().get("retry-after").and_then(|wait| wait.to_str().ok()?.parse().ok());
    (answer.status().as_u16(), wait)
}

fn is_trouble(status: u16) -> bool {
    status == 0 || status >= 500
}

impl Heard {
    fn note(&mut self, asked: Asked) {
        self.took.push(asked.took);
        *self.statuses.entry(asked.statuses[0]).or_default() += 1;
        self.failed_twice += usize::from(asked.statuses.iter().all(|status| is_trouble(*status)));
        self.unsaid += usize::from(asked.is_unsaid);
        self.acknowledged.extend(asked.acknowledged);
    }

    /// The latency that this share of the requests did not exceed.
    pub fn took(&self, share: f64) -> Duration {
        let mut took = self.took.clone();
        took.sort_unstable();
        let place = (took.len() as f64 * share) as usize;
        took.get(place.min(took.len().saturating_sub(1))).copied().unwrap_or_default()
    }

    /// The share of requests that failed twice.
    pub fn share_failed_twice(&self) -> f64 {
        self.failed_twice as f64 / self.took.len().max(1) as f64
    }

    /// Checks that each refusal was a 503 or 504 that says when to come back.
    ///
    /// # Errors
    /// If there were other responses, or a refusal without `Retry-After`.
    pub fn is_polite(&self) -> Result<()> {
        let others: Vec<_> = self.statuses.keys().filter(|status| !matches!(**status, 200..300 | 503 | 504)).collect();
        ensure!(others.is_empty(), "callers got unexpected responses {others:?} (0: none)");
        ensure!(self.unsaid == 0, "{} refusals have no Retry-After", self.unsaid);
        Ok(())
    }

    /// A summary.
    pub fn told(&self) -> String {
        let statuses: Vec<_> = self.statuses.iter().map(|(status, count)| format!("{count} x {status}")).collect();
        let (p50, p99, worst) = (self.took(0.5), self.took(0.99), self.took(1.0));
        format!(
            "callers: {}, {} failed twice, p50 {:.2} s, p99 {:.1} s, worst {:.1} s",
            statuses.join(", "),
            self.failed_twice,
            p50.as_secs_f64(),
            p99.as_secs_f64(),
            worst.as_secs_f64()
        )
    }
}

/// Lets events flow and a member call the API during a fault. What was acknowledged and is not shown counts as lost.
pub async fn asking(stage: &mut Stage, trouble: impl AsyncFnOnce(&mut Stage) -> Result<()>) -> Result<(Played, Heard)> {
    let (caller, enough) = (Caller::register().await?, Cell::new(false));
    let playing = async {
        let played = stage.flowing(trouble).await;
        enough.set(true);
        played
    };
    let (played, heard) = tokio::join!(playing, caller.ask_until(&enough));
    let mut played = played?;
    let (lost, doubled) = caller.lost_and_doubled(&heard).await?;
    played.ledger.lost += i64::try_from(lost)?;
    played.ledger.doubled += i64::try_from(doubled)?;
    Ok((played.with(heard.told()), heard))
}
