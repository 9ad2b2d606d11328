//! Requests to the public API that several commands share.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use uuid::Uuid;

/// How long the services may take to know a new member.
const SETTLING: Duration = Duration::from_secs(60);

/// A signed-in member.
pub struct Session {
    /// Their account.
    pub account: Uuid,
    /// The access token.
    pub token: String,
}

/// Signs a member up and in; `order` builds the request that creates a resource at a path.
pub async fn sign_up(
    order: impl Fn(&str) -> Result<RequestBuilder>,
    email: &str,
    password: &str,
    name: &str,
) -> Result<Session> {
    let account = json!({ "email": email, "password": password, "name": name });
    let account = good(order("accounts")?.json(&account)).await?;
    let session = good(order("sessions")?.json(&json!({ "email": email, "password": password }))).await?;
    let token = session["access_token"].as_str().context("a session has no token")?.to_owned();
    Ok(Session { account: id_of(&account)?, token })
}

/// Waits until the network knows a member; `degrees` requests the people around them.
pub async fn known_to_network(degrees: impl Fn() -> Result<RequestBuilder>) -> Result<()> {
    let began = Instant::now();
    while let Err(error) = good(degrees()?).await {
        ensure!(began.elapsed() < SETTLING, "the network does not know a member in time: {error}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

/// The names of all contacts of a member; `page` requests the page at a cursor.
pub async fn contact_names(page: impl AsyncFn(Option<String>) -> Result<Value>) -> Result<Vec<String>> {
    let (mut names, mut cursor) = (Vec::new(), None);
    loop {
        let contacts = page(cursor).await?;
        let items = contacts["items"].as_array().context("a page has no items")?;
        names.extend(items.iter().map(|item| item["name"].as_str().unwrap_or_default().to_owned()));
        cursor = contacts["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            return Ok(names);
        }
    }
}

/// The body of a successful response; any other response is an error.
pub async fn good(request: RequestBuilder) -> Result<Value> {
    let answer = request.send().await?;
    let (status, body) = (answer.status(), answer.text().await?);
    ensure!(status.is_success(), "{status}: {body}");
    Ok(serde_json::from_str(&body)?)
}

/// The id in a response.
pub fn id_of(thing: &Value) -> Result<Uuid> {
    Ok(thing["id"].as_str().context("a response has no id")?.parse()?)
}
