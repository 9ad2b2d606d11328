//! All six services, started as in operation, and a member who uses the public API.

use std::path::PathBuf;

use anyhow::Result;
use reqwest::{Client, RequestBuilder};
use serde_json::json;
use uuid::Uuid;

use super::{load, programs, report::Report};
use crate::{
    native::{self, service_names},
    public::{Session, good, id_of, known_to_network, sign_up},
    usage::memory,
};

/// The ports of the public API and of the admin endpoints while the bench runs.
const HTTP_PORT: &str = "8180";
const ADMIN_PORT_BASE: &str = "9200";

/// The six running services; must be stopped.
pub struct Six;

impl Six {
    /// Starts them. Returns `None` and adds a note if they are not built.
    pub async fn start(row: &str, report: &mut Report) -> Result<Option<Self>> {
        let missing: Vec<_> =
            service_names()?.into_iter().filter(|service| !programs().join(service).exists()).collect();
        if !missing.is_empty() {
            let (folder, missing) = (programs(), missing.join(", "));
            report.notes.push(format!("{row}: skipped, not built in {}: {missing}", folder.display()));
            return Ok(None);
        }
        for command in ["topology", "start"] {
            services(command).await?;
        }
        Ok(Some(Self))
    }

    /// Stops them.
    pub async fn stop(self) -> Result<()> {
        services("stop").await
    }

    /// The current or peak memory of each service (`VmRSS:`, `VmHWM:`), in megabytes.
    pub fn memory(&self, line: &str) -> Result<Vec<(&'static str, f64)>> {
        let of = |service: &&str| memory(native::pid_of(&run_folder(), service)?.parse()?, line);
        service_names()?.into_iter().map(|service| Ok((service, of(&service)?))).collect()
    }

    /// Signs up a member with one contact, and waits until all services know them.
    pub async fn member(&self) -> Result<Member> {
        let client = Client::new();
        let run = Uuid::new_v4().simple().to_string();
        let email = format!("{run}@bench.test");
        let Session { account, token } = sign_up(|path| Ok(order(&client, path, "")), &email, &run, "Bench").await?;
        let contact = json!({ "name": "Ada Bench", "emails": ["ada@bench.test"] });
        let contact = good(order(&client, "contacts", &token).json(&contact)).await?;
        let degrees = || client.get(format!("{}/api/v1/network/degrees", base())).bearer_auth(&token);
        known_to_network(|| Ok(degrees())).await?;
        Ok(Member { account, contact: id_of(&contact)?, token })
    }
}

/// A signed-in member.
pub struct Member {
    /// Their account.
    pub account: Uuid,
    /// Their contact.
    pub contact: Uuid,
    token: String,
}

impl Member {
    /// A request to the public API on their behalf, with `key` as its idempotency key.
    pub fn request(&self, method: &str, path: &str, key: Option<Uuid>, body: &str) -> Vec<u8> {
        let authorization = format!("Bearer {}", self.token);
        let key = key.map(|key| key.to_string()).unwrap_or_default();
        let headers = [("authorization", authorization.as_str()), ("idempotency-key", key.as_str())];
        let headers = if key.is_empty() { &headers[..1] } else { &headers[..] };
        load::request(method, &format!("/api/v1/{path}"), headers, body)
    }
}

/// The address of the public API.
pub fn public() -> String {
    format!("127.0.0.1:{HTTP_PORT}")
}

fn base() -> String {
    format!("http://{}", public())
}

fn order(client: &Client, path: &str, token: &str) -> RequestBuilder {
    let request = client.post(format!("{}/api/v1/{path}", base()));
    request.bearer_auth(token).header("idempotency-key", Uuid::new_v4().to_string())
}

fn run_folder() -> PathBuf {
    std::env::var_os("KITH_RUN").map_or_else(|| native::repository().join(".run/test"), Into::into)
}

async fn services(command: &str) -> Result<()> {
    let mut script = native::script("services");
    script.arg(command).env("KITH_RUN", run_folder()).env("KITH_BIN", programs());
    script.env("KITH_ADMIN_PORT_BASE", ADMIN_PORT_BASE).env("KITH_HTTP_PORT", HTTP_PORT);
    native::run(&mut script).await
}
