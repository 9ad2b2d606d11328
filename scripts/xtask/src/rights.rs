//! Tries, with each service's own credentials, what it must not be able to do, on the real servers.

use std::{env, fs, path::PathBuf};

use anyhow::{Context, Result, anyhow, ensure};
use clap::Args;
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties,
    options::{
        BasicConsumeOptions, BasicGetOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
        QueueDeclareOptions,
    },
    types::FieldTable,
};
use tokio_postgres::NoTls;

use crate::native::{SERVICES, repository};

/// Try, with each service's credentials, what it must not be able to do: each must be refused.
#[derive(Args)]
pub struct Rights {}

const ON_POSTGRES: [&str; 4] = ["gateway", "accounts", "contacts", "notifications"];

impl Rights {
    /// Tries everything. Fails at the first thing that was possible.
    pub async fn run(self) -> Result<()> {
        let mut refused = 0;
        for service in SERVICES {
            refused += databases(service).await?;
            refused += broker(service).await?;
        }
        println!("{refused} attempts on what is another's, all refused");
        Ok(())
    }
}

fn secret(name: &str) -> Result<String> {
    let folder = PathBuf::from(env::var("KITH_SECRETS").context("KITH_SECRETS is not set")?);
    Ok(fs::read_to_string(folder.join(name))
        .with_context(|| format!("the secret {name} cannot be read"))?
        .trim()
        .to_owned())
}

/// `user:password@` put into an address in place of what is there.
fn address(variable: &str, user: &str, password: &str) -> Result<String> {
    let url = env::var(variable).with_context(|| format!("{variable} is not set"))?;
    let (scheme, rest) = url.split_once("://").ok_or_else(|| anyhow!("{variable} is no address"))?;
    let (_, place) = rest.split_once('@').ok_or_else(|| anyhow!("{variable} has no user"))?;
    Ok(format!("{scheme}://{user}:{password}@{place}"))
}

/// Every database that is not the service's own.
async fn databases(service: &str) -> Result<usize> {
    let password = secret(&format!("{service}.store"))?;
    let mut refused = 0;
    let url = address("KITH_POSTGRES_URL", service, &password)?;
    let (place, _) = url.rsplit_once('/').ok_or_else(|| anyhow!("KITH_POSTGRES_URL names no database"))?;
    for database in ON_POSTGRES {
        let opened = tokio_postgres::connect(&format!("{place}/{database}"), NoTls).await;
        if database == service {
            drop(opened.with_context(|| format!("{service} cannot open its own database"))?);
        } else {
            ensure!(opened.is_err(), "{service} can open the database {database}");
            refused += 1;
        }
    }
    if service != "search" {
        let url = address("KITH_ELASTICSEARCH_URL", service, &password)?;
        let answer = reqwest::get(format!("{url}/search-contacts/_count")).await?;
        ensure!(answer.status() == 401, "{service} can sign in to Elasticsearch: {}", answer.status());
        refused += 1;
    } else {
        let url = address("KITH_ELASTICSEARCH_URL", service, &password)?;
        let answer = reqwest::get(format!("{url}/accounts/_count")).await?;
        ensure!(answer.status() == 403, "search can read an index that is not its own: {}", answer.status());
        refused += 1;
    }
    Ok(refused)
}

/// Every queue and exchange that is not the service's own.
async fn broker(service: &str) -> Result<usize> {
    let url = address("KITH_AMQP_URL", service, &secret(&format!("{service}.broker"))?)?;
    let connection = Connection::connect(&url, ConnectionProperties::default())
        .await
        .with_context(|| format!("{service} cannot sign in to the broker"))?;
    let mut refused = 0;
    for other in SERVICES.into_iter().filter(|other| *other != service) {
        let publish = publishing(&connection, &format!("events.{other}")).await;
        ensure!(publish.is_err(), "{service} can publish events of {other}");
        let publish = publishing(&connection, &format!("jobs.{other}")).await;
        ensure!(publish.is_err(), "{service} can put jobs into the queue of {other}");
        for kind in ["events", "requests", "dead"] {
            let channel = connection.create_channel().await?;
            let got = channel.basic_get(format!("{other}.{kind}").into(), BasicGetOptions { no_ack: false }).await;
            // A queue that is not there is as good as refused: it cannot be read either.
            ensure!(got.is_err(), "{service} can read the queue {other}.{kind}");
        }
        refused += 5 + usize::from(history(&connection, service, other).await?);
    }
    ensure!(publishing(&connection, "").await.is_err(), "{service} can publish to any queue by the default exchange");
    let channel = connection.create_channel().await?;
    let declared = channel
        .queue_declare(format!("{service}.replies.mine").into(), QueueDeclareOptions::durable(), FieldTable::default())
        .await;
    ensure!(declared.is_err(), "{service} can declare queues");
    publishing(&connection, &format!("events.{service}"))
        .await
        .with_context(|| format!("{service} cannot publish its own events"))?;
    Ok(refused + 2)
}

/// Another's history is read by those who listen to it. Whether this one does not, and was refused.
async fn history(connection: &Connection, service: &str, other: &str) -> Result<bool> {
    let contract = fs::read_to_string(repository().join(format!("services/{service}/contract.json")))?;
    let contract: serde_json::Value = serde_json::from_str(&contract)?;
    let consumed = contract["consumes"].as_array().into_iter().flatten();
    let of_other = format!("{other}.");
    let listens = consumed.filter_map(|read| read["message"].as_str()).any(|name| name.starts_with(&of_other));
    let channel = connection.create_channel().await?;
    channel.basic_qos(1, BasicQosOptions::default()).await?;
    let stream = format!("history.{other}");
    let reading =
        channel.basic_consume(stream.into(), "".into(), BasicConsumeOptions::default(), FieldTable::default()).await;
    ensure!(listens || reading.is_err(), "{service} can read the history of {other}");
    if listens {
        reading.with_context(|| format!("{service} cannot read the history of {other}, which it listens to"))?;
    }
    Ok(!listens)
}

/// Publishes something that nobody wants, and waits for the broker's word.
async fn publishing(connection: &Connection, exchange: &str) -> Result<()> {
    let channel: Channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let sent = channel
        .basic_publish(
            exchange.into(),
            "nobody-wants-this".into(),
            BasicPublishOptions::default(),
            b"{}",
            BasicProperties::default(),
        )
        .await?;
    sent.await?;
    Ok(())
}
