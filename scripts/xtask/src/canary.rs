//! Sends marked words as personal data through the running services, makes messages fail in every way, and then
//! searches for the words where they must not appear: logs, metrics, and the listings of parked messages.

use std::{collections::BTreeSet, fs, path::PathBuf, time::Duration};

use anyhow::{Context, Result, anyhow, ensure};
use chrono::Utc;
use clap::Args;
use contracts::Contracts;
use events::{Envelope, MASK, catalogue::Entry, masked};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use skeleton::messaging::topology::Admin;
use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    native::{ServiceProgram, repository, setting},
    packages::PACKAGES,
    trial::connect,
};

/// How long the services may take to process all messages.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Send marked personal data through the running services, and search for it where it must not be.
#[derive(Args)]
pub struct Canary {
    /// The address of the gateway.
    #[arg(long, env = "KITH_URL", default_value = "http://127.0.0.1:8080")]
    url: String,
}

impl Canary {
    pub async fn run(self) -> Result<()> {
        let word = format!("canary{}", &Uuid::new_v4().simple().to_string()[..12]);
        a_persons_day(&self.url, &word).await?;
        let contracts = Contracts::read(&repository())?;
        PACKAGES.iter().for_each(|package| events::catalogue::register(package));
        let (mut sent, mut leaks) = (0, Vec::new());
        let api = setting("KITH_RABBIT_API")?;
        let admin = Admin::new(&api, "/");
        let owners = Admin::new(&impersonator(&admin, &api).await?, "/");
        for name in read_by_somebody(&contracts) {
            let entry = events::catalogue::find(&name).with_context(|| format!("{name} is not in this build"))?;
            for body in bodies(entry, &word) {
                publish(&owners, entry, &body).await?;
                sent += 1;
            }
        }
        admin.delete(&format!("users/{IMPERSONATOR}")).await?;
        queues_are_empty(&admin).await?;
        for service in contracts.services.keys() {
            let program = ServiceProgram::of(service).await?;
            leaks.extend(leaks_in(&format!("the metrics of {service}"), &metrics(&program).await?, &word));
            let shown = parked(&program).await?;
            let is_shown = shown.contains(MASK) || contracts.services[service].consumes.is_empty();
            ensure!(is_shown, "{service} has parked nothing: the messages that should fail did not");
            leaks.extend(leaks_in(&format!("{service} parked"), &shown, &word));
        }
        a_unique_violation(&word).await?;
        let mut looked_through = 0;
        for path in logs()? {
            let text = String::from_utf8_lossy(&fs::read(&path)?).into_owned();
            looked_through += text.len();
            leaks.extend(leaks_in(&path.display().to_string(), &text, &word));
        }
        leaks.iter().for_each(|leak| println!("{leak}"));
        println!("{sent} messages with personal data, {} kB of logs: {} leaks", looked_through / 1024, leaks.len());
        ensure!(leaks.is_empty(), "personal data leaked");
        Ok(())
    }
}

/// A user's session in which every word is marked, with errors that a user can cause.
async fn a_persons_day(url: &str, word: &str) -> Result<()> {
    let http = Client::builder().user_agent(word).build()?;
    let email = format!("{word}@example.org");
    let call = async |method: Method, path: &str, token: &str, body: Value| -> Result<Value> {
        let call = http.request(method, format!("{url}/api/v1/{path}")).bearer_auth(token);
        let answer = call.header("idempotency-key", Uuid::new_v4().to_string()).json(&body).send().await?;
        Ok(answer.json().await.unwrap_or_default())
    };
    let account = json!({ "email": email, "name": word, "password": format!("{word} {word}") });
    call(Method::POST, "accounts", "", account.clone()).await?;
    call(Method::POST, "accounts", "", account).await?;
    let wrong = json!({ "email": email, "password": format!("not {word}") });
    call(Method::POST, "sessions", "", wrong).await?;
    let session = json!({ "email": email, "password": format!("{word} {word}") });
    let opened = call(Method::POST, "sessions", "", session).await?;
    let token = opened["access_token"].as_str().ok_or_else(|| anyhow!("no session: {opened}"))?.to_owned();
    let contact = json!({
        "name": word, "given_name": word, "family_name": word, "emails": [email], "phones": [word], "company": word,
        "title": word, "notes": word, "urls": [format!("https://example.org/{word}")],
    });
    let added = call(Method::POST, "contacts", &token, contact).await?;
    ensure!(added["id"].is_string(), "the contact was not added: {added}");
    call(Method::POST, "contacts", &token, json!({ "name": [word] })).await?;
    for path in [format!("search?q={word}"), format!("network/paths?to={email}"), format!("contacts/{word}")] {
        call(Method::GET, &path, &token, Value::Null).await?;
    }
    let file = format!("BEGIN:VCARD\nVERSION:3.0\nFN:{word}\nEMAIL:{word}@\nEND:VCARD\nBEGIN:VCARD\n{word}\n");
    let import = http.post(format!("{url}/api/v1/imports?name={word}.vcf")).bearer_auth(&token).body(file);
    let import = import.header("content-type", "text/vcard").header("idempotency-key", word).send().await?;
    ensure!(import.status().is_success(), "the import was refused: {}", import.text().await?);
    Ok(())
}

/// Makes Postgres reject a row: the server's log must not show its values.
async fn a_unique_violation(word: &str) -> Result<()> {
    let client = connect("contacts").await?;
    client.batch_execute("create temporary table canary (email text unique)").await?;
    let sql = "insert into canary values ($1)";
    client.execute(sql, &[&word]).await?;
    ensure!(client.execute(sql, &[&word]).await.is_err(), "postgres accepted the same value twice");
    Ok(())
}

/// The events and jobs that have a consumer.
fn read_by_somebody(contracts: &Contracts) -> BTreeSet<String> {
    let services = contracts.services.values();
    services
        .flat_map(|service| service.consumes.iter().chain(&service.jobs))
        .map(|read| read.message.to_string())
        .collect()
}

/// The message with marked data: valid, and invalid in several ways.
fn bodies(entry: &Entry, word: &str) -> Vec<String> {
    let schema: Value = serde_json::from_str(entry.schema).unwrap_or_default();
    let example = &schema["examples"][0];
    let marked = marked(example, &masked(entry.name, example), word);
    let mut bodies = vec![marked.to_string(), format!("{{\"name\": \"{word}\", "), json!({ "name": word }).to_string()];
    for field in marked.as_object().into_iter().flat_map(|fields| fields.keys()) {
        let mut wrong = marked.clone();
        wrong[field] = json!([{ (word): word }, word]);
        bodies.push(wrong.to_string());
    }
    bodies
}

/// The example with the word in place of all personal data.
fn marked(example: &Value, masked: &Value, word: &str) -> Value {
    match (example, masked) {
        (Value::Object(fields), _) => {
            fields.iter().map(|(field, value)| (field.clone(), marked(value, &masked[field], word))).collect()
        }
        (Value::Array(items), _) => {
            items.iter().enumerate().map(|(place, item)| marked(item, &masked[place], word)).collect()
        }
        (Value::String(text), Value::String(mask)) if mask == MASK && text.contains('@') => {
            format!("{word}@example.org").into()
        }
        (_, Value::String(mask)) if mask == MASK => word.into(),
        (value, _) => value.clone(),
    }
}

/// The temporary user that publishes in place of the owners: consumers accept a message only from its owner.
const IMPERSONATOR: &str = "kith-canary";

/// Creates that user. Returns the API's address with it.
async fn impersonator(admin: &Admin, api: &str) -> Result<String> {
    let password = Uuid::new_v4().to_string();
    let user = json!({ "password": password, "tags": "impersonator,management" });
    admin.put(&format!("users/{IMPERSONATOR}"), &user).await?;
    let rights = json!({ "configure": "^$", "write": ".*", "read": "^$" });
    admin.put(&format!("permissions/%2F/{IMPERSONATOR}"), &rights).await?;
    let (scheme, place) = api.split_once("://").context("KITH_RABBIT_API has no scheme")?;
    let place = place.rsplit_once('@').map_or(place, |(_, place)| place);
    Ok(format!("{scheme}://{IMPERSONATOR}:{password}@{place}"))
}

async fn publish(admin: &Admin, entry: &Entry, body: &str) -> Result<()> {
    let kind = if entry.kind == events::Kind::Job { "jobs" } else { "events" };
    let subject = Some(Uuid::new_v4().to_string());
    let envelope = Envelope {
        id: Uuid::now_v7(),
        name: entry.name.to_owned(),
        source: format!("/{}", entry.service),
        time: Utc::now(),
        subject,
        sequence: Some(1),
        trace: None,
        correlation_id: None,
        causation_id: None,
        actor: None,
        deadline: None,
    };
    let sent = admin
        .post(
            &format!("exchanges/%2F/{kind}.{}/publish", entry.service),
            &json!({
                "properties": { "headers": envelope.to_headers(), "user_id": entry.service, "delivery_mode": 2 },
                "routing_key": entry.key, "payload": body, "payload_encoding": "string",
            }),
        )
        .await?;
    ensure!(sent["routed"] == true, "{} is unroutable: is the topology applied?", entry.name);
    Ok(())
}

async fn queues_are_empty(admin: &Admin) -> Result<()> {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        let queues = admin.get("queues/%2F").await?;
        // A history keeps its messages: it never becomes empty.
        let is_worked_off = |queue: &&Value| queue["type"] != "stream";
        let is_full = |queue: &&Value| queue["messages"].as_u64() > Some(0);
        let full: Vec<&Value> = queues.as_array().into_iter().flatten().filter(is_worked_off).filter(is_full).collect();
        if full.is_empty() {
            return Ok(());
        }
        let names: Vec<_> = full.iter().map(|queue| queue["name"].as_str().unwrap_or_default()).collect();
        ensure!(Instant::now() < deadline, "not processed within {} s: {}", TIMEOUT.as_secs(), names.join(", "));
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

async fn metrics(program: &ServiceProgram) -> Result<String> {
    on_the_admin_port(program, "metrics").await
}

async fn on_the_admin_port(program: &ServiceProgram, path: &str) -> Result<String> {
    let address = program.setting("ADMIN__ADDRESS")?;
    Ok(reqwest::get(format!("http://{address}/{path}")).await?.error_for_status()?.text().await?)
}

/// The output of the service's commands and pages for parked messages and for decisions about them. Drops the messages
/// afterwards: they were made to fail.
async fn parked(program: &ServiceProgram) -> Result<String> {
    let list = program.run(&["parked", "list", "--limit", "1000"]).await?;
    let mut shown = list.clone();
    shown += &on_the_admin_port(program, "parked").await?;
    for id in list.lines().filter_map(|line| line.split_whitespace().next()) {
        shown += &program.run(&["parked", "show", id]).await?;
        shown += &on_the_admin_port(program, &format!("parked/{id}")).await?;
        program.run(&["parked", "drop", "--id", id, "--by", "canary"]).await?;
    }
    shown += &program.run(&["parked", "audit", "--limit", "1000"]).await?;
    shown += &on_the_admin_port(program, "parked/audit").await?;
    Ok(shown)
}

/// Searches the logs of services and servers.
fn logs() -> Result<Vec<PathBuf>> {
    let folder = PathBuf::from(setting("KITH_RUN")?).join("log");
    let entries = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.retain(|path| path.is_file());
    Ok(paths)
}

fn leaks_in(place: &str, text: &str, word: &str) -> Vec<String> {
    let lines = text.lines().enumerate().filter(|(_, line)| line.contains(word));
    lines.map(|(number, line)| format!("{place}, line {}: {line}", number + 1)).collect()
}
