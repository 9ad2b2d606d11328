//! RabbitMQ: exchanges, queues and histories of other services, and changes of the topology.

use std::fs;

use anyhow::{Context, Result, ensure};
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties,
    options::{
        BasicConsumeOptions, BasicGetOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
        QueueDeclareOptions,
    },
    types::FieldTable,
};

use super::{address, secret};
use crate::native::{SERVICES, repository};

/// Every queue and exchange of another service.
pub async fn refuses(service: &str) -> Result<usize> {
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
            // A queue that does not exist cannot be read either.
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

/// Only subscribers can read another service's history. Returns whether this one is not a subscriber and was refused.
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
        reading.with_context(|| format!("{service} cannot read the history of {other}, which it subscribes to"))?;
    }
    Ok(!listens)
}

/// Publishes an unroutable message, and waits for the broker's response.
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
