//! Reads the state of a running broker.

use std::time::Duration;

use anyhow::{Context, Error, Result};
use clap::Args;
use contracts::Broker;
use reqwest::Client;
use serde_json::Value;

const HOW: &str = "name the broker's management API with --api http://admin:secret@host:15672 or KITH_RABBIT_API \
                   (scripts/up writes it to .run/servers.env); can-remove also takes --offline";

/// The broker's address.
#[derive(Args)]
pub struct Address {
    /// The broker's management API with user and password, `http://admin:secret@host:15672`.
    #[arg(long, env = "KITH_RABBIT_API", hide_env_values = true)]
    api: Option<String>,
    /// The virtual host.
    #[arg(long, default_value = "/")]
    vhost: String,
}

impl Address {
    /// The broker's current topology.
    pub async fn ask(&self) -> Result<Broker> {
        let api = self.api.as_deref().with_context(|| format!("no broker given: {HOW}"))?;
        let client = Client::builder().timeout(Duration::from_secs(30)).build()?;
        let [exchanges, queues, bindings] = Broker::questions(&self.vhost);
        let answers = [
            answer(&client, api, &exchanges).await?,
            answer(&client, api, &queues).await?,
            answer(&client, api, &bindings).await?,
        ];
        Broker::from_answers(&self.vhost, answers).map_err(Error::msg)
    }
}

async fn answer(client: &Client, api: &str, question: &str) -> Result<Value> {
    let address = format!("{}/{question}", api.trim_end_matches('/'));
    let answer = client.get(address).send().await.and_then(|answer| answer.error_for_status());
    Ok(answer.with_context(|| format!("cannot query the broker: {HOW}"))?.json().await?)
}
